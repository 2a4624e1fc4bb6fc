"""The decoder of a receiver's whole stream: bytes in, fixes out, the rest counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from overflight_device.fix import Fix
from overflight_device.receivers.epochs import Epochs
from overflight_device.receivers.framing import Comment, Frame, Framer, Sentence, Skipped, Ubx
from overflight_device.receivers.gps_time import GpsTime
from overflight_device.receivers.nmea_checksums import ChecksumGate
from overflight_device.receivers.nmea_decoder import NmeaDecoder
from overflight_device.receivers.ubx_decoder import UbxDecoder


class ReceiverDecoder:
    """Bytes in, fixes out, one an epoch; nothing raises, what is not used is in `skipped`.

    A fix comes out once its epoch is over: with the next one, at `settle` (the line has gone
    quiet) or at `finish`. `on_frame` sees every sentence and message that came whole.
    """

    def __init__(
        self,
        on_frame: Callable[[Frame], None] | None = None,
        *,
        bare_times: bool = True,
        now_ns: int | None = None,
    ) -> None:
        """`bare_times`: a time of which nothing else was said is a fix (of mode none) as well.

        `now_ns`: no date is taken to be later; see `GpsTime`.
        """
        self._on_frame = on_frame
        self._framer = Framer()
        self._epochs = Epochs(bare_times=bare_times)
        self._gps_time = GpsTime(now_ns)
        self._nmea = NmeaDecoder(self._epochs, self._gps_time)
        self._ubx = UbxDecoder(self._epochs, self._gps_time)
        self._gate = ChecksumGate(self._framer.skipped)

    @property
    def skipped(self) -> Skipped:
        """What was not used, by reason."""
        return self._framer.skipped

    @property
    def undated(self) -> int:
        """Epochs whose date the receiver never said."""
        return self._epochs.undated

    def feed(self, data: bytes | bytearray | memoryview) -> list[Fix]:
        """Take bytes as they come; return the fixes that are complete now."""
        return self._decode(self._framer.feed(data))

    def settle(self) -> list[Fix]:
        """The line is quiet: return the fix of an epoch that is known to be over.

        While it is not known what ends an epoch, the next one has to tell.
        """
        return _some(self._epochs.flush()) if self._epochs.end_known else []

    def finish(self) -> list[Fix]:
        """The stream has ended."""
        fixes = self._decode(self._framer.finish())
        for sentence in self._gate.finish():
            fixes += self._sentence(sentence)
        return fixes + _some(self._epochs.flush())

    def _decode(self, frames: Iterable[Frame]) -> list[Fix]:
        fixes: list[Fix] = []
        for frame in frames:
            if self._on_frame is not None:
                self._on_frame(frame)
            if isinstance(frame, Sentence):
                for sentence in self._gate.admit(frame):
                    fixes += self._sentence(sentence)
            elif isinstance(frame, Ubx):
                fixes += self._message(frame)
            elif isinstance(frame, Comment):
                self._gps_time.note(frame.text)
                self.skipped.add("notes", len(frame.text) + 1)
        return fixes

    def _sentence(self, sentence: Sentence) -> list[Fix]:
        reading = self._nmea.read(sentence)
        if reading is None:
            size = len(",".join(sentence.fields)) + 1
            self.skipped.add(f"NMEA: {sentence.fields[0]} says nothing of the fix", size)
            return []
        return _some(self._epochs.apply(reading))

    def _message(self, message: Ubx) -> list[Fix]:
        reading = self._ubx.read(message)
        if reading is None:
            name = f"UBX {message.message_class:02X}-{message.message_id:02X}"
            self.skipped.add(f"{name} says nothing of the fix", len(message.payload) + 8)
            return []
        return _some(self._epochs.apply(reading))


def _some(fix: Fix | None) -> list[Fix]:
    return [] if fix is None else [fix]
