"""Outbox and sender against a fake broker and ground that lose, repeat, reorder and crash.

The property: every message ends up on the ground or is counted as given up; none is forgotten
before its receipt; the watermark never sticks.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from overflight_contract.messages import Receipt
from overflight_contract.topics import Kind
from overflight_device.outbox import FILE_NAME, Outbox
from overflight_device.sender import Sender

FLIGHT = "20230128T060000Z-7f3a"
OTHER = "20230128T060000Z-0000"


class Ground:
    """Stores what arrives, and knows the watermark: contiguous, past what was given up."""

    def __init__(self):
        self.stored = {}
        self.held_from = 1
        self.base = None

    def takes(self, seq, held_from):
        self.stored[seq] = held_from
        self.held_from = max(self.held_from, held_from)

    @property
    def through(self):
        at = self.held_from - 1
        while at + 1 in self.stored:
            at += 1
        return at


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 0.0
        self.ground = Ground()
        self.grounds = [self.ground]
        self.record = []  # (seq, held_from): what fsync has promised
        self.wire = []  # published, not yet at the broker
        self.broker = []  # at the broker, not yet on the ground
        self.acks = []
        self.receipts = []
        self.refusing = set()
        self.open()

    def open(self):
        self.outbox = Outbox(
            self.folder / FILE_NAME, payload="HAB-01", new_flight=FLIGHT, max_bytes=2000
        )
        last = self.record[-1] if self.record else (0, 1)
        self.outbox.recover(
            [(Kind.POSITION, seq, b"%d" % held) for seq, held in self.record], last[1]
        )
        self.sender = Sender(self.outbox, window=4)
        self.connected = False

    def teardown(self):
        self.settle()
        self.outbox.close()
        shutil.rmtree(self.folder)

    def write(self):
        self.outbox.make_room(100)
        seq, held = self.outbox.next_seq, self.outbox.held_from
        self.record.append((seq, held))
        self.outbox.append([(Kind.POSITION, seq, b"%d" % held)])

    @rule(count=st.integers(1, 6))
    def writes(self, count):
        for _ in range(count):
            self.write()

    @rule()
    def crashes_after_the_record_before_the_outbox(self):
        self.outbox.make_room(100)
        self.record.append((self.outbox.next_seq, self.outbox.held_from))
        self.crash()

    @rule()
    def crash(self):
        self.outbox.close()
        self.wire, self.acks = [], []
        self.open()

    @precondition(lambda self: not self.connected)
    @rule()
    def connects(self):
        self.connected = True
        self.sender.connected(self.now)

    @precondition(lambda self: self.connected)
    @rule()
    def loses_the_connection(self):
        self.connected = False
        self.sender.disconnected(self.now + 60)
        self.sender.forget_in_flight()
        self.wire, self.acks = [], []

    @rule()
    def publishes(self):
        self.wire += self.sender.next_messages(self.now)

    @rule(data=st.data())
    def broker_takes_one(self, data):
        if self.wire:
            message = self.wire.pop(data.draw(st.integers(0, len(self.wire) - 1)))
            if message.seq in self.refusing:
                self.acks.append((message.seq, 0x87))
            else:
                self.broker.append(message)
                self.acks.append((message.seq, 0))

    @rule(lost=st.booleans())
    def puback(self, lost):
        if self.acks:
            ack = self.acks.pop(0)
            if not lost:
                self.sender.acknowledged(*ack)

    @rule()
    def broker_loses_its_memory(self):
        self.broker.clear()

    @rule(data=st.data(), keep=st.booleans())
    def ground_takes_one(self, data, keep):
        if self.broker:
            at = data.draw(st.integers(0, len(self.broker) - 1))
            message = self.broker[at] if keep else self.broker.pop(at)
            self.ground.takes(message.seq, int(message.payload))
            self.receipts.append(self.ground.through)

    @rule(data=st.data(), lost=st.booleans(), repeated=st.booleans())
    def receipt(self, data, lost, repeated):
        if self.receipts:
            at = data.draw(st.integers(0, len(self.receipts) - 1))
            through = self.receipts[at] if repeated else self.receipts.pop(at)
            if not lost:
                self.sender.received(Receipt(flight=FLIGHT, through=through), self.now)

    @rule(through=st.integers(0, 50))
    def a_receipt_of_another_flight(self, through):
        self.sender.received(Receipt(flight=OTHER, through=through), self.now)

    @rule()
    def a_receipt_for_what_was_never_written(self):
        self.sender.received(Receipt(flight=FLIGHT, through=self.outbox.next_seq), self.now)

    @rule()
    def a_new_ground_in_mid_flight(self):
        self.ground = Ground()
        self.grounds.append(self.ground)
        self.receipts.clear()

    @rule(data=st.data())
    def relay_refuses_one(self, data):
        if self.record:
            self.refusing.add(data.draw(st.sampled_from(self.record))[0])

    @rule(seconds=st.sampled_from([1, 20, 400]))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def nothing_is_forgotten_before_its_receipt(self):
        if self.outbox is None:
            return
        held = {m.seq for m in self.outbox.after(0, upto=10**9, limit=10**6)}
        everywhere = set().union(*(ground.stored for ground in self.grounds))
        depth = self.outbox.depth
        gone = {seq for seq, _ in self.record} - held - everywhere
        assert len(gone) <= depth.given_up + depth.set_aside
        assert depth.pending == len(held)
        assert depth.pending_bytes >= 0
        assert all(seq >= self.outbox.held_from for seq in held)

    def settle(self):
        """All goes well from here on: the outbox must come to rest."""
        if self.connected:
            self.loses_the_connection()
        self.connects()
        for _ in range(40 * (len(self.record) + 5)):
            if self.sender.settled:
                return
            before = len(self.ground.stored)
            for message in self.sender.next_messages(self.now):
                refused = message.seq in self.refusing
                if not refused:
                    self.ground.takes(message.seq, int(message.payload))
                self.sender.acknowledged(message.seq, 0x87 if refused else 0)
            self.sender.received(Receipt(flight=FLIGHT, through=self.ground.through), self.now)
            if len(self.ground.stored) == before:
                self.now += 400
                if self.record and self.outbox.held_from > self.record[-1][1]:
                    self.write()  # as FlightLog.restate does
        assert self.sender.settled, "the watermark stuck"


Machine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, suppress_health_check=list(HealthCheck), deadline=None
)
TestOutboxAndSender = Machine.TestCase


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / FILE_NAME, payload="HAB-01", new_flight=FLIGHT)
    yield outbox
    outbox.close()


def fill(outbox, count):
    outbox.append([(Kind.POSITION, outbox.next_seq + index, b"{}") for index in range(count)])


def seqs(messages):
    return [message.seq for message in messages]


def test_newest_first_then_the_backlog_and_what_is_new_goes_ahead(outbox):
    fill(outbox, 10)
    sender = Sender(outbox, window=4)
    sender.connected(0.0)
    assert seqs(sender.next_messages(0.0)) == [9, 10, 1, 2]
    assert sender.next_messages(0.0) == []
    fill(outbox, 2)
    for seq in (9, 10, 1, 2):
        sender.acknowledged(seq)
    assert seqs(sender.next_messages(0.0)) == [11, 12, 3, 4]


def test_a_puback_is_no_receipt(outbox):
    fill(outbox, 2)
    sender = Sender(outbox)
    sender.connected(0.0)
    for message in sender.next_messages(0.0):
        sender.acknowledged(message.seq)
    assert not sender.settled
    assert sender.next_messages(10.0) == []
    assert seqs(sender.next_messages(16.0)) == [1, 2], "sent again where no receipt moves"
    assert sender.received(Receipt(flight=FLIGHT, through=2), 17.0) == 2
    assert sender.settled


def test_without_receipts_a_puback_is_all_there_is(outbox):
    fill(outbox, 2)
    sender = Sender(outbox, receipts=False)
    sender.connected(0.0)
    for message in sender.next_messages(0.0):
        sender.acknowledged(message.seq)
    assert sender.settled


def test_three_refusals_set_a_message_aside_and_the_flight_goes_on(outbox):
    fill(outbox, 3)
    sender = Sender(outbox)
    sender.connected(0.0)
    for _ in range(3):
        for message in sender.next_messages(0.0):
            sender.acknowledged(message.seq, 0x87 if message.seq == 1 else 0)
    assert outbox.depth.set_aside == 1
    assert outbox.held_from == 2
    sender.received(Receipt(flight=FLIGHT, through=3), 1.0)
    assert sender.settled


def test_a_refusal_that_closes_the_connection_is_found_by_sending_alone(outbox):
    """MQTT 3.1.1 has no reason code in a PUBACK."""
    fill(outbox, 6)
    sender = Sender(outbox, window=4)
    now = 0.0
    for _ in range(30):
        if outbox.depth.set_aside:
            break
        sender.connected(now)
        while messages := sender.next_messages(now):
            if 3 in seqs(messages):
                break
            for message in messages:
                sender.acknowledged(message.seq)
        now += 1.0
        sender.disconnected(now)
        sender.forget_in_flight()
    assert outbox.depth.set_aside == 1
    assert 3 not in seqs(outbox.after(0, upto=99, limit=99))


def test_an_overdue_puback_asks_for_a_new_connection(outbox):
    fill(outbox, 1)
    sender = Sender(outbox, puback_timeout_s=30)
    sender.connected(0.0)
    sender.next_messages(0.0)
    assert not sender.overdue(29.0)
    assert sender.overdue(31.0)


def test_the_brokers_receive_maximum_bounds_what_is_in_flight(outbox):
    fill(outbox, 10)
    sender = Sender(outbox, window=8)
    sender.connected(0.0, receive_maximum=3)
    assert len(sender.next_messages(0.0)) == 3


def test_a_full_outbox_gives_up_the_oldest(tmp_path):
    outbox = Outbox(tmp_path / "o", payload="HAB-01", new_flight=FLIGHT, max_bytes=500)
    fill(outbox, 10)
    assert outbox.make_room(100) == 1
    assert outbox.held_from == 3 - 1
    assert outbox.depth.given_up == 1
    outbox.close()
