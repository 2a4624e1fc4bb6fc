"""Records of packets that came together are there when somebody looks."""

from overflight_contract.session import Direction, Verdict
from overflight_relay.effects import WHOLE, Effects, PlainRun

PACKETS = (b"one", b"two", b"three")
RECORDS = [(5, 7, Direction.UP, Verdict.OK, "", packet, WHOLE) for packet in PACKETS]


def test_a_run_is_a_sequence_of_records():
    run = PlainRun(5, 7, Direction.UP, PACKETS, 11)
    assert list(run) == RECORDS
    assert len(run) == 3
    assert run[1] == RECORDS[1]
    assert run[-2:] == RECORDS[-2:]
    assert run.bytes == 11


def test_a_record_comes_after_the_run():
    effects = Effects()
    effects.records = PlainRun(5, 7, Direction.UP, PACKETS, 11)
    effects.add(RECORDS[0])
    assert effects.records == [*RECORDS, RECORDS[0]]
