"""``overflight demo``: a whole flight, watched, recovered and audited."""

from __future__ import annotations

import argparse
from pathlib import Path

from overflight_contract.commandline import duration_s, epilog
from overflight_contract.errors import InputError

EXAMPLES = (
    "overflight demo                                   eight days in about three minutes",
    "overflight demo --scenario sounding --speed max   launch, burst, landing; at once",
    "overflight demo --source track:flight.csv         a recorded flight",
    "overflight demo --leak                            the payload tries to send a picture",
    "overflight demo --leak --policy observe           … and the provider only looks on",
    "overflight demo --for 30s --json                  for a script",
)


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = epilog(EXAMPLES)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--scenario",
        default="transcontinental",
        metavar="NAME",
        help="a simulated flight; 'overflight device scenarios' lists them",
    )
    what.add_argument(
        "--source", metavar="SPEC", help="any fix source instead, as track:FILE or serial:PORT"
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        metavar="FACTOR",
        help="how much faster than real time, or max (default: so that it takes three minutes)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is simulated")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=duration_s,
        metavar="DURATION",
        help="end the flight after so much wall time, audit, and do not stay",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("overflight-data"),
        metavar="DIR",
        help="where runs are kept, each in a folder of its own",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the last run in --data")
    parser.add_argument(
        "--port", type=int, metavar="N", help="port of the page (default: 8780, or a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object as the last line"
    )
    parser.add_argument(
        "--policy",
        choices=["enforce", "observe"],
        default="enforce",
        help="what the relay does with what the contract does not allow",
    )
    parser.add_argument(
        "--leak",
        action="store_true",
        help="let the payload try to publish one of its pictures, in three ways",
    )
    parser.add_argument(
        "--link", default="perfect", metavar="PROFILE", help="the relay's link model"
    )
    parser.add_argument(
        "--broker",
        default="embedded",
        metavar="URL",
        help="a broker of your own (mqtt://HOST:PORT) instead of the embedded one",
    )
    parser.add_argument(
        "--camera", metavar="SPEC", help="the payload's camera (default: sim for a simulation)"
    )
    parser.set_defaults(run=run)


def _speed(text: str) -> str:
    if text == "max":
        return text
    try:
        valid = 0 < float(text) < 1e9
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; as in 60 or max")
    return text


def run(args: argparse.Namespace) -> int:
    """Fly the demonstration."""
    from overflight.demo.flight import fly
    from overflight.demo.plan import DemoOptions

    if args.resume and args.leak:
        raise InputError("--leak goes with a new run, not with --resume")
    return fly(
        DemoOptions(
            source=args.source or f"sim:{args.scenario}",
            speed=args.speed,
            seed=args.seed,
            for_s=args.for_s,
            data=args.data,
            resume=args.resume,
            port=args.port,
            browser=not args.no_browser,
            json=args.json,
            policy=args.policy,
            leak=args.leak,
            link=args.link,
            broker=args.broker,
            camera=args.camera,
        )
    )
