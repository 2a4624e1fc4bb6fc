"""One run of the demonstration, from the first process to the verdict."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import webbrowser
from collections.abc import Callable
from typing import Any, Final, Self

from overflight.demo import crew, ending
from overflight.demo.plan import DemoOptions, RunPlan, make_plan
from overflight.demo.progress import Progress, Tally, open_progress
from overflight_contract.commandline import Exit
from overflight_contract.errors import UnavailableError
from overflight_contract.times import to_ns

POLL_S: Final = 0.2
ASK_EVERY_S: Final = 0.5


def fly(options: DemoOptions) -> int:
    """Run the demonstration; return the exit status."""
    plan = make_plan(options)
    tally = Tally()
    company = Company(plan, options, tally)
    try:
        with company, open_progress(tally, json=options.json) as progress:
            company.say = progress.note
            status = _whole_flight(company, options, progress)
    except KeyboardInterrupt:
        print(  # the processes have ended by now
            f"\noverflight: stopped. Go on with it: overflight demo --resume --data {options.data}",
            file=sys.stderr,
        )
        return Exit.INTERRUPTED
    return status


def _whole_flight(company: Company, options: DemoOptions, progress: Progress) -> int:
    plan = company.plan
    company.start()
    _introduce(plan, options, progress)
    company.fly(progress)
    progress.refresh()
    progress.leave()
    progress.note("The flight is over and every message is receipted. Recovering the vault.")
    result = ending.recover_and_audit(plan, company.tally, progress.note)
    if options.json:
        print(json.dumps(result.summary), flush=True)
    elif options.for_s is None:
        _stay(company, progress)
    return result.exit_status


def _introduce(plan: RunPlan, options: DemoOptions, progress: Progress) -> None:
    kind = "simulated flight" if plan.simulated else "flight"
    progress.note(f"Overflight flies {plan.source} ({kind}), at {plan.speed}× real speed.")
    progress.note(f"  page      {plan.page_link}")
    progress.note(f"  watch     overflight watch {plan.control_url}")
    progress.note(f"  data      {plan.folder}")
    if options.browser and not options.json and sys.stdout.isatty():
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(plan.page_link)


def _stay(company: Company, progress: Progress) -> None:
    progress.note(f"The page stays up at {company.plan.page_link} until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            company.keep_up()
            time.sleep(POLL_S)


class Company:
    """Broker, relay, ground and payloads: started in order, kept up, ended in order."""

    def __init__(self, plan: RunPlan, options: DemoOptions, tally: Tally) -> None:
        self.plan = plan
        self.tally = tally
        self.say: Callable[[str], None] = lambda _text: None
        self._options = options
        self._broker: Any = None
        self._members: dict[str, crew.Member] = {}
        self._payloads: dict[str, crew.Member] = {}
        self._began_s = 0.0
        self._asked_s = 0.0
        self._leaked = not options.leak

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in [*self._payloads.values(), *reversed(self._members.values())]:
            member.stop()
        if self._broker is not None:
            self._broker.stop()

    def start(self) -> None:
        """Start all but the payloads, and wait until each is ready."""
        url = self._start_broker()
        relay = crew.Member("relay", crew.relay_command(self.plan, url), self.plan.folder)
        ground = crew.Member("ground", crew.ground_command(self.plan, url), self.plan.folder)
        for member in (relay, ground):
            self._members[member.name] = member
            member.start()
        crew.wait_ready(relay, f"{self.plan.control_url}/api/v1/status")
        crew.wait_ready(ground, f"{self.plan.page_url}api/v1/health")

    def _start_broker(self) -> str:
        if self.plan.broker != "embedded":
            crew.require_broker(self.plan.broker)
            return self.plan.broker
        from overflight_ground.broker import EmbeddedBroker

        self._broker = EmbeddedBroker(self.plan.folder / "broker", port=self.plan.broker_port)
        self._broker.start()
        return str(self._broker.url)

    def fly(self, progress: Progress) -> None:
        """Start the payloads and wait until each has landed and delivered."""
        self._began_s = time.monotonic()
        for payload, source in zip(self.plan.payloads, self.plan.sources, strict=True):
            member = self._payload(payload, source)
            self._payloads[payload] = member
            member.start()
        while any(self._aloft(payload) for payload in self._payloads):
            self.keep_up()
            self._ask()
            self._maybe_leak()
            progress.refresh()
            time.sleep(POLL_S)
        self._maybe_leak()
        self._settle(progress)

    def keep_up(self) -> None:
        """Start again what has died."""
        if self._broker is not None and not self._broker.running():
            self._broker.stop()
            self._broker.start()
            self._restarted("broker")
        for member in self._members.values():
            if not member.poll():
                member.restart()
                self._restarted(member.name)

    def _aloft(self, payload: str) -> bool:
        member = self._payloads[payload]
        if member.poll():
            return True
        if member.status == Exit.OK:
            return False
        if member.status in (Exit.USAGE, Exit.UNAVAILABLE):
            raise UnavailableError(f"the payload {payload} stopped: {member.last_words()}")
        self._payloads[payload] = again = self._payload(payload, self._source_of(payload))
        again.restarts = member.restarts
        again.restart()
        self._restarted(f"payload {payload}")
        return True

    def _source_of(self, payload: str) -> str:
        return self.plan.sources[self.plan.payloads.index(payload)]

    def _payload(self, payload: str, source: str) -> crew.Member:
        left_s = None
        if self._options.for_s is not None:
            left_s = max(0.1, self._options.for_s - (time.monotonic() - self._began_s))
        name = "payload" if len(self.plan.payloads) == 1 else f"payload-{payload}"
        line = crew.payload_command(self.plan, payload, source, left_s)
        return crew.Member(name, line, self.plan.folder, on_line=self._hear)

    def _hear(self, line: str) -> None:
        try:
            status = json.loads(line)
        except ValueError:
            return
        if isinstance(status, dict) and status.get("event") == "status":
            self.tally.payloads[str(status.get("payload"))] = status

    def _restarted(self, name: str) -> None:
        self.tally.restarts += 1
        self.say(f"The {name} has died and was started again.")

    def _ask(self) -> None:
        """Ask relay and ground where they stand."""
        if time.monotonic() - self._asked_s < ASK_EVERY_S:
            return
        self._asked_s = time.monotonic()
        relay = crew.get_json(f"{self.plan.control_url}/api/v1/status", 1.0)
        ground = crew.get_json(f"{self.plan.page_url}api/v1/health", 1.0)
        tally = self.tally
        if relay is not None:
            tally.crossed = max(tally.crossed, int(relay.get("messages_crossed", 0)))
            tally.bytes_crossed = max(tally.bytes_crossed, int(relay.get("bytes_up", 0)))
            tally.refused = max(tally.refused, int(relay.get("refused", 0)))
        if ground is not None:
            tally.stored = int(ground.get("messages", 0))
        tally.share = self._share()

    def _share(self) -> float | None:
        start, end = self.plan.start_ns, self.plan.end_ns
        at = self.tally.shown().get("measured_at")
        if start is None or end is None or not at or end <= start:
            return None
        import datetime as dt

        now_ns = to_ns(dt.datetime.fromisoformat(str(at)))
        return min(1.0, max(0.0, (now_ns - start) / (end - start)))

    def _settle(self, progress: Progress) -> None:
        """Wait a moment until relay and ground have counted the last message."""
        deadline = time.monotonic() + 3.0
        while self.tally.stored < self.tally.total("written") and time.monotonic() < deadline:
            self._asked_s = 0.0
            self._ask()
            progress.refresh()
            time.sleep(0.05)

    def _maybe_leak(self) -> None:
        if self._leaked or not self.tally.total("pictures"):
            return
        self._leaked = True
        ending.leak(self.plan, self.say)
