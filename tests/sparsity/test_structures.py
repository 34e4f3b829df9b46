"""A structure splits a kernel's weights into groups: all of them, each once, and as its name says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import BadInput
from compiler.sparsity.structures import STRUCTURES

SHAPE = (3, 2, 4, 6)
EXPECTED = {  # number of groups, weights a group
    ("unstructured", None): (144, 1),
    ("filter", None): (6, 24),
    ("channel", None): (4, 36),
    ("block", (2, 3)): (24, 6),
    ("block", (1, 6)): (24, 6),
    ("block", (4, 1)): (36, 4),
}


@pytest.mark.parametrize(("structure", "block"), list(EXPECTED))
def test_sizes(structure: str, block: tuple[int, int] | None) -> None:
    group_of = STRUCTURES[structure](SHAPE, block)
    assert group_of.shape == (24, 6)
    numbers, sizes = np.unique(group_of, return_counts=True)
    groups, weights = EXPECTED[structure, block]
    np.testing.assert_array_equal(numbers, np.arange(groups))
    assert set(sizes) == {weights}


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
@settings(max_examples=40, deadline=None)
def test_groups_are_what_they_are_called(shape: tuple[int, int, int, int], block: tuple[int, int]) -> None:
    """Two weights share a group exactly if they share its coordinates."""
    k_h, k_w, tiles_in, tiles_out = shape
    kernel_shape = (k_h, k_w, tiles_in * block[0], tiles_out * block[1])
    y, x, i, o = np.indices(kernel_shape)
    coordinates = {
        "unstructured": (y, x, i, o),
        "filter": (o,),
        "channel": (i,),
        "block": (y, x, i // block[0], o // block[1]),
    }
    for structure, group_of in STRUCTURES.items():
        groups = group_of(kernel_shape, block).reshape(-1)
        labels = np.stack([part.reshape(-1) for part in coordinates[structure]], axis=1)
        _, expected = np.unique(labels, axis=0, return_inverse=True)
        pairs = np.unique(np.stack([groups, expected.reshape(-1)], axis=1), axis=0)
        assert len(pairs) == len(np.unique(groups)) == len(np.unique(expected)) == groups.max() + 1


@pytest.mark.parametrize("block", [None, (3, 2), (2, 4), (8, 6)])
def test_a_block_has_to_divide(block: tuple[int, int] | None) -> None:
    with pytest.raises(BadInput, match="doesn't divide the channels 4 × 6; choose divisors of both"):
        STRUCTURES["block"](SHAPE, block)
