"""Airborne mode of u-blox receivers: set at the start, checked, asked again after a reset.

Out of the box a u-blox receiver takes itself for a thing on the ground, and gives no fix above
12 km (18 km in some firmware). Model 6, "airborne, under 1 g", works to 50 km (80 km since the
ninth generation). It is kept in RAM only, so a receiver that resets in flight loses it.

M8 receiver description (UBX-13003221) §32.10.19 CFG-NAV5; F9 and M10 interface descriptions
(UBX-22008968) §3.10.20 CFG-VALSET, §6.9.10 CFG-NAVSPG-DYNMODEL. What speaks no UBX is left alone:
until something answers, only a question for its version is sent.
"""

from __future__ import annotations

import enum
import re
import struct
from typing import Final

from overflight_device.receivers import encoding
from overflight_device.receivers.framing import Frame, Sentence, Ubx

AIRBORNE_1G: Final = 6
MODELS: Final = {6: "airborne, under 1 g", 7: "airborne, under 2 g", 8: "airborne, under 4 g"}

_ACK: Final = 0x05
_CFG: Final = 0x06
_MON_VER: Final = (0x0A, 0x04)
_CFG_NAV5: Final = (_CFG, 0x24)
_CFG_VALSET: Final = (_CFG, 0x8A)
_CFG_VALGET: Final = (_CFG, 0x8B)
_DYNMODEL_KEY: Final = 0x20110021
_NEW_PROTOCOL: Final = 27.0
_PROTOCOL: Final = re.compile(rb"PROTVER[ =](\d+\.\d+)")

_ANSWER_S: Final = 1.5
_ASK_FOR_VERSION_S: Final = (0.0, 3.0, 10.0)
_LATER_S: Final = 60.0
_CHECK_S: Final = 30.0
_UNANSWERED: Final = 2


class AirborneState(enum.StrEnum):
    """What is known of the mode."""

    UNKNOWN = "unknown"
    """Nothing that speaks UBX has answered."""
    SETTING = "setting"
    ON = "on"
    REFUSED = "refused"


class Airborne:
    """Frames and times in, bytes to send out; `now_s` is any clock that only goes forward."""

    def __init__(self, model: int = AIRBORNE_1G) -> None:
        self.state = AirborneState.UNKNOWN
        self.version: str | None = None
        self.model: int | None = None
        self.times_set = 0
        self._wanted = model
        self._by_key = False
        self._asked_for_version = 0
        self._tries = 0
        self._unanswered = 0
        self._next_s: float | None = None

    def tick(self, now_s: float) -> list[bytes]:
        """Return what is due by now: a question, a repetition, a check."""
        if self._next_s is None:
            self._next_s = now_s
        if now_s < self._next_s:
            return []
        if self.state is AirborneState.UNKNOWN:
            return self._ask_for_version(now_s)
        if self.state is AirborneState.SETTING:
            return self._try_again(now_s)
        self._unanswered += 1
        if self._unanswered > _UNANSWERED:
            self.restart()
            return self._ask_for_version(now_s)
        self._next_s = now_s + _CHECK_S
        return [self._question()]

    def take(self, frame: Frame, now_s: float) -> list[bytes]:
        """Take what the receiver sent; return what to send now."""
        if isinstance(frame, Sentence):
            return self._boot(frame, now_s)
        if not isinstance(frame, Ubx):
            return []
        kind = (frame.message_class, frame.message_id)
        if kind == _MON_VER:
            return self._identified(frame.payload, now_s)
        if frame.message_class == _ACK and tuple(frame.payload[:2]) in (_CFG_NAV5, _CFG_VALSET):
            return self._acknowledged(frame.message_id == 1, now_s)
        model = _model_in(frame)
        return [] if model is None else self._checked(model, now_s)

    def restart(self) -> None:
        """The line was opened anew; who is there has to be found out again."""
        self.state = AirborneState.UNKNOWN
        self.model = None
        self._asked_for_version = self._tries = self._unanswered = 0
        self._next_s = None

    def _ask_for_version(self, now_s: float) -> list[bytes]:
        self._asked_for_version += 1
        waits = _ASK_FOR_VERSION_S
        number = self._asked_for_version
        self._next_s = now_s + (waits[number] if number < len(waits) else _LATER_S)
        return [encoding.message(*_MON_VER)]

    def _identified(self, payload: bytes, now_s: float) -> list[bytes]:
        self.version = payload[:30].split(b"\0")[0].decode("ascii", "replace")
        match = _PROTOCOL.search(payload)
        self._by_key = match is not None and float(match.group(1)) >= _NEW_PROTOCOL
        if self.state is AirborneState.ON:
            return []
        self._tries = 0
        return self._set(now_s)

    def _set(self, now_s: float) -> list[bytes]:
        self.state = AirborneState.SETTING
        self._tries += 1
        self._next_s = now_s + _ANSWER_S
        if self._by_key:
            value = struct.pack("<BBxxIB", 0, 1, _DYNMODEL_KEY, self._wanted)
            return [encoding.message(*_CFG_VALSET, value), self._question()]
        settings = struct.pack("<HB33x", 1, self._wanted)  # the mask takes the model alone
        return [encoding.message(*_CFG_NAV5, settings), self._question()]

    def _question(self) -> bytes:
        if self._by_key:
            return encoding.message(*_CFG_VALGET, struct.pack("<BBxxI", 0, 0, _DYNMODEL_KEY))
        return encoding.message(*_CFG_NAV5)

    def _try_again(self, now_s: float) -> list[bytes]:
        if self._tries >= 6:
            self.state = AirborneState.REFUSED
            self._next_s = now_s + _LATER_S
            return []
        if self._tries % 2 == 0:
            self._by_key = not self._by_key
        return self._set(now_s)

    def _acknowledged(self, good: bool, now_s: float) -> list[bytes]:
        if good or self.state is not AirborneState.SETTING:
            return []  # the answer to the question follows
        self._by_key = not self._by_key
        return self._try_again(now_s) if self._tries >= 6 else self._set(now_s)

    def _checked(self, model: int, now_s: float) -> list[bytes]:
        self.model = model
        self._unanswered = 0
        if model in MODELS:
            if self.state is not AirborneState.ON:
                self.times_set += 1
            self.state = AirborneState.ON
            self._tries = 0
            self._next_s = now_s + _CHECK_S
            return []
        if self.state is AirborneState.SETTING and self._tries:
            return []  # the setting may still be on its way
        self._tries = 0
        return self._set(now_s)

    def _boot(self, sentence: Sentence, now_s: float) -> list[bytes]:
        """u-blox greets with TXT sentences when it starts, so it has forgotten the mode."""
        text = sentence.fields[-1].lower()
        greets = sentence.fields[0][2:] == "TXT" and ("u-blox" in text or "rom core" in text)
        if not greets or self.state is AirborneState.SETTING:
            return []
        self._tries = 0
        return self._set(now_s)


def _model_in(frame: Ubx) -> int | None:
    kind = (frame.message_class, frame.message_id)
    if kind == _CFG_NAV5 and len(frame.payload) >= 36:
        return frame.payload[2]
    if kind == _CFG_VALGET and len(frame.payload) >= 9:
        (key,) = struct.unpack_from("<I", frame.payload, 4)
        return frame.payload[8] if key == _DYNMODEL_KEY else None
    return None
