"""The arena: nothing that is alive is overwritten, and whatever may share memory does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.targets.c.ctext import Code
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.plan_arena import Packing
from compiler.backend.targets.c.schedule import fits, schedule, ways_of


class Call(Node):
    """A call of any sizes."""

    def __init__(self, inputs: tuple[int, ...], output: int, size: int, scratch: int, least: int | None) -> None:
        self.__dict__.update(name="call", inputs=inputs, output=output, size=size, scratch=scratch, least=least)

    size: int
    scratch: int
    least: int | None

    @property
    def output_bytes(self) -> int:
        return self.size

    @property
    def scratch_bytes(self) -> int:
        return self.scratch

    def distance(self, value: int) -> int | None:
        return self.least

    def code(self, prefix: str) -> Code:
        raise NotImplementedError


@st.composite
def programs(draw: st.DrawFn) -> list[Call]:
    calls: list[Call] = []
    for step in range(draw(st.integers(1, 9))):
        inputs = tuple(draw(st.sets(st.integers(max(0, step - 3), step), min_size=1, max_size=2)))
        least = draw(st.one_of(st.none(), st.integers(-30, 60)))
        calls.append(Call(inputs, step + 1, draw(st.integers(1, 100)), draw(st.sampled_from([0, 0, 17])), least))
    return calls


@given(calls=programs(), source_bytes=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_live_values_share_only_what_the_kernel_allows(calls: list[Call], source_bytes: int) -> None:
    sink = calls[-1].output
    plan = Packing(calls, 0, source_bytes, sink).plan()
    sizes = {0: source_bytes} | {call.output: call.size for call in calls}
    last = {value: max([s for s, c in enumerate(calls) if value in c.inputs], default=-1) for value in sizes}
    made = {0: -1} | {call.output: step for step, call in enumerate(calls)}
    for step, call in enumerate(calls):
        alive = [v for v in sizes if v != sink and made[v] <= step and (last[v] >= step or made[v] == step)]
        places = {v: (plan.offsets["value", v], sizes[v]) for v in alive}
        if call.scratch:
            places[-1] = (plan.offsets["scratch", step], call.scratch)
        for (v, (a, a_bytes)), (w, (b, b_bytes)) in itertools.combinations(places.items(), 2):
            assert a + a_bytes <= plan.bytes
            assert b + b_bytes <= plan.bytes
            if a + a_bytes <= b or b + b_bytes <= a:
                continue
            # They share bytes: one has to be the call's output, the other an input that ends here, far enough behind.
            assert call.output in (v, w)
            other = v if w == call.output else w
            assert other in call.inputs
            assert last[other] == step
            assert call.least is not None
            assert places[other][0] - places[call.output][0] >= call.least


@given(calls=programs(), source_bytes=st.integers(1, 100), enough=st.integers(1, 600))
@settings(max_examples=100, deadline=None)
def test_a_plan_that_is_enough_is_found_sooner(calls: list[Call], source_bytes: int, enough: int) -> None:
    packing = Packing(calls, 0, source_bytes, calls[-1].output)
    least, found = packing.plan().bytes, packing.plan(enough=enough).bytes
    assert packing.bound <= least <= found
    assert found == least or found <= enough


def chain(seed: int) -> tuple[list[Call], int]:
    """Some calls, each of which reads one or two of the three values before it."""
    rng = random.Random(seed)
    calls = []
    for step in range(5):
        inputs = tuple(rng.sample(range(max(0, step - 2), step + 1), min(step + 1, rng.choice([1, 2]))))
        calls.append(Call(inputs, step + 1, rng.randint(10, 100), rng.choice([0, 17]), rng.choice([None, -10, 0, 30])))
    return calls, rng.randint(10, 100)


def first_fit(packing: Packing, order: Iterable[int]) -> int:
    """Bytes, every offset tried in turn."""
    offsets: dict[int, int] = {}
    for i in order:
        met = [(offsets[j], *between) for j, between in packing.forbidden[i].items() if j in offsets]
        offsets[i] = next(
            at for at in itertools.count() if not any(low < at - other < high for other, low, high in met)
        )
    return max(offset + packing.buffers[i].bytes for i, offset in offsets.items())


@pytest.mark.parametrize("seed", range(12))
def test_no_order_packs_better(seed: int) -> None:
    calls, source_bytes = chain(seed)
    packing = Packing(calls, 0, source_bytes, 5)
    count = len(packing.buffers)
    assert count > 4
    orders = itertools.permutations(range(count)) if count < 7 else sampled(count, seed)
    assert packing.plan().bytes <= min(first_fit(packing, order) for order in orders)


def sampled(count: int, seed: int) -> Iterator[list[int]]:
    rng = random.Random(seed)
    yield from (rng.sample(range(count), count) for _ in range(600))


@given(calls=programs(), source_bytes=st.integers(1, 100), limit=st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_the_schedule_is_the_smallest_of_all_ways(calls: list[Call], source_bytes: int, limit: int) -> None:
    ends = (0, source_bytes, calls[-1].output)
    least = min(Packing(way, *ends).plan().bytes for way in ways_of(tuple(calls), *ends))
    assert schedule(tuple(calls), *ends).plan.bytes == least
    for asked in (limit, least, least - 1):
        assert fits(tuple(calls), *ends, asked) is (least <= asked)


@pytest.mark.parametrize("seed", [9, 119, 168])
def test_a_bound_that_no_packing_meets_is_no_promise(seed: int) -> None:
    calls, source_bytes = chain(seed)
    ends = (0, source_bytes, 5)
    packing = Packing(calls, *ends)
    least = schedule(tuple(calls), *ends).plan.bytes
    assert packing.bound < least
    assert not fits(tuple(calls), *ends, packing.bound)
    assert not fits(tuple(calls), *ends, least - 1)
    assert fits(tuple(calls), *ends, least)
    assert least == min(Packing(way, *ends).plan().bytes for way in ways_of(tuple(calls), *ends))


def test_an_elementwise_chain_needs_one_buffer() -> None:
    calls = [Call((i,), i + 1, 100, 0, 0) for i in range(6)]
    assert Packing(calls, 0, 100, 6).plan().bytes == 100


def test_values_that_live_together_add_up() -> None:
    calls = [
        Call((0,), 1, 50, 0, None),
        Call((0,), 2, 60, 0, None),
        Call((1, 2), 3, 60, 0, 0),
        Call((3,), 4, 1, 0, None),
    ]
    assert Packing(calls, 0, 40, 4).plan().bytes == 150


def test_greedy_by_size_is_improved_on() -> None:
    """Largest first alone leaves a hole here; exchanges find the bound."""
    calls = [
        Call((0,), 1, 30, 0, None),
        Call((1,), 2, 20, 0, None),
        Call((1, 2), 3, 25, 0, None),
        Call((2, 3), 4, 35, 0, None),
        Call((4,), 5, 15, 0, None),
        Call((5,), 6, 1, 0, None),
    ]
    bound = max(10 + 30, 30 + 20, 30 + 20 + 25, 20 + 25 + 35, 35 + 15)
    assert Packing(calls, 0, 10, 6).plan().bytes == bound
