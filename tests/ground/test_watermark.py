"""The watermark against a model that keeps plain sets."""

from hypothesis import given
from hypothesis import strategies as st

from overflight_ground.ingest.watermark import Watermark


class Model:
    """Every handled seq in a set; slow and plainly right."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.held_from = 1
        self.given_up = 0

    @property
    def through(self) -> int:
        seq = 0
        while seq + 1 in self.seen or seq + 1 < self.held_from:
            seq += 1
        return seq

    def add(self, seq: int) -> None:
        self.seen.add(seq)

    def hold(self, held_from: int) -> None:
        before = self.through
        if held_from > self.held_from:
            self.held_from = held_from
            self.given_up += sum(1 for s in range(before + 1, held_from) if s not in self.seen)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 40)),
        st.tuples(st.just("hold"), st.integers(1, 40)),
    ),
    max_size=60,
)


@given(steps)
def test_is_as_the_model_at_every_step(actions: list[tuple[str, int]]) -> None:
    mark, model, through = Watermark(), Model(), 0
    for action, value in actions:
        getattr(mark, action)(value)
        getattr(model, action)(value)
        assert mark.through == model.through
        assert mark.through >= through, "the watermark only grows"
        assert mark.held_from == model.held_from
        assert mark.given_up == model.given_up
        through = mark.through
        for seq in range(1, 42):
            assert mark.handled(seq) == (seq in model.seen or seq <= model.through)
        expected = [s for s in range(through + 1, mark.newest) if s not in model.seen]
        assert [s for first, last in mark.gaps() for s in range(first, last + 1)] == expected


@given(st.permutations(range(1, 30)), st.integers(0, 29))
def test_a_restart_in_any_order_goes_on_as_if_there_had_been_none(
    order: list[int], cut: int
) -> None:
    whole, before = Watermark(), Watermark()
    for seq in order:
        whole.add(seq)
    for seq in order[:cut]:
        before.add(seq)
    pending = sorted(s for s in order[:cut] if s > before.through)
    after = Watermark(before.through, before.held_from, before.given_up, pending)
    for seq in order[cut:]:
        after.add(seq)
    assert after.through == whole.through == 29
    assert after.gaps() == []


def test_what_was_given_up_and_came_after_all_is_no_longer_counted() -> None:
    mark = Watermark()
    assert mark.hold(5) == 4
    mark.found()
    assert mark.given_up == 3


def test_memory_goes_with_gaps_not_with_messages() -> None:
    mark = Watermark()
    for seq in range(2, 100_001):
        mark.add(seq)
    assert len(mark._starts) == 1
    mark.add(1)
    assert mark.through == 100_000
    assert not mark._starts


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 5), st.booleans())
def test_a_run_counts_as_one_by_one_or_not_at_all(seqs, through, gap) -> None:
    pending = [through + 3] if gap else []
    one_by_one, at_once = Watermark(through, pending=pending), Watermark(through, pending=pending)
    before = (at_once.through, at_once.newest)
    if at_once.take_run(seqs):
        assert all(one_by_one.take(seq) for seq in seqs)
        assert (at_once.through, at_once.newest) == (one_by_one.through, one_by_one.newest)
    else:
        assert (at_once.through, at_once.newest) == before
        assert seqs != list(range(through + 1, through + 1 + len(seqs))) or gap
