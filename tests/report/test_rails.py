"""Rails beside the graph: every edge is drawn, from the row that makes a tensor to every row that reads it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from compiler.report.rails import rails


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for row in range(1, draw(st.integers(1, 9))):
        rows.append(sorted(draw(st.sets(st.integers(0, row - 1), max_size=3))))
    return rows


@given(graphs())
def test_rails_carry_every_tensor_to_its_readers(inputs: list[list[int]]) -> None:
    carried: dict[int, int] = {}  # rail → the row whose tensor it carries
    for row, (sources, rail) in enumerate(zip(inputs, rails(inputs), strict=True)):
        assert {carried[lane] for lane in rail.joins} == set(sources)
        goes_on = {source for source in carried.values() if any(source in later for later in inputs[row + 1 :])}
        assert {carried[above] for above, _ in rail.passes} == goes_on
        below = {lane: carried[above] for above, lane in rail.passes}
        assert len(below) == len(rail.passes)
        if any(row in later for later in inputs[row + 1 :]):
            assert rail.lane not in below
            below[rail.lane] = row
        assert set(below) == set(rail.below)
        carried = below


def test_a_shortcut_steps_aside_and_joins() -> None:
    first, conv, add = rails([[], [0], [0, 1]])
    assert (first.lane, first.below) == (0, (0,))
    assert (conv.lane, conv.passes, conv.below) == (0, ((0, 1),), (0, 1))
    assert (add.lane, add.joins, add.below) == (0, (0, 1), ())
