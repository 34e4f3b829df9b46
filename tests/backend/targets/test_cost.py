from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.targets import TARGETS
from compiler.backend.targets.cost import chain_of, positions, shared_zero_bias_bytes, smaller_dense
from compiler.types import DENSE, Choice, ConvSite, Cost

SITE = ConvSite("conv", "conv", (3, 3), 32, 64, padding="same", positions=64)
STRIDED = ConvSite("down", "conv", (3, 3), 32, 64, strides=(2, 2), padding="same", positions=64, maps=((16, 16, 8, 8),))


def kernels(site: ConvSite, choice: Choice) -> dict[str, tuple[int, ...]]:
    return {e.role: e.kernel for e in chain_of(site, choice)}


def test_chain_kernels_are_those_of_the_definition() -> None:
    assert kernels(SITE, DENSE) == {"dense": (3, 3, 32, 64)}
    assert kernels(SITE, Choice("tucker2", (8, 16))) == {
        "first": (1, 1, 32, 8),
        "core": (3, 3, 8, 16),
        "last": (1, 1, 16, 64),
    }
    assert kernels(SITE, Choice("tucker4", (8, 12, 16))) == {
        "first": (1, 1, 32, 8),
        "vertical": (3, 1, 8, 12),
        "horizontal": (1, 3, 12, 16),
        "last": (1, 1, 16, 64),
    }
    assert kernels(SITE, Choice("cp", (40,))) == {
        "first": (1, 1, 32, 40),
        "depthwise": (3, 3, 1, 40),
        "last": (1, 1, 40, 64),
    }
    assert kernels(SITE, Choice("none", structure="filter", kept=4)) == {}


def test_a_rank_that_equals_its_channels_drops_the_factor() -> None:
    assert set(kernels(SITE, Choice("tucker2", (32, 16)))) == {"core", "last"}
    assert set(kernels(SITE, Choice("tucker2", (8, 64)))) == {"first", "core"}


def test_unknown_chains_are_refused() -> None:
    with pytest.raises(ValueError, match="no chain 'tucker5'"):
        chain_of(SITE, Choice("tucker5", (3,)))


def test_the_bias_sits_on_the_last_factor_and_zeros_on_the_others() -> None:
    assert [e.bias for e in chain_of(SITE, Choice("tucker2", (8, 16)))] == ["zero", "zero", "own"]
    dense = ConvSite("fc", "dense", (1, 1), 32, 10)
    assert [e.bias for e in chain_of(dense, Choice("svd", (4,)))] == ["none", "own"]


def test_factors_before_the_stride_run_at_the_input_resolution() -> None:
    macs = {e.role: e.macs for e in chain_of(STRIDED, Choice("tucker4", (8, 12, 16)))}
    assert macs == {
        "first": 16 * 16 * 32 * 8,
        "vertical": 8 * 16 * 3 * 8 * 12,
        "horizontal": 8 * 8 * 3 * 12 * 16,
        "last": 8 * 8 * 16 * 64,
    }


def test_a_tucker2_projects_the_input_map() -> None:
    macs = {e.role: e.macs for e in chain_of(STRIDED, Choice("tucker2", (8, 16)))}
    assert macs == {"first": 16 * 16 * 32 * 8, "core": 8 * 8 * 9 * 8 * 16, "last": 8 * 8 * 16 * 64}


def test_a_depthwise_factor_multiplies_each_channel_by_itself() -> None:
    macs = {e.role: e.macs for e in chain_of(STRIDED, Choice("cp", (40,)))}
    assert macs == {"first": 16 * 16 * 32 * 40, "depthwise": 8 * 8 * 9 * 40, "last": 8 * 8 * 40 * 64}


def test_positions_without_maps_agree_with_maps_where_the_stride_divides() -> None:
    unknown = ConvSite("down", "conv", (3, 3), 32, 64, strides=(2, 2), padding="same", positions=64)
    assert positions(unknown) == positions(STRIDED)
    valid = ConvSite("v", "conv", (3, 3), 4, 4, padding="valid", positions=36)
    assert positions(valid).before == 64


def test_dense_costs_its_weights_and_biases() -> None:
    for name in ("mobile", "cortex_m"):
        cost = TARGETS[name].cost(SITE, DENSE)
        assert cost.weight_bytes == 9 * 32 * 64 + 4 * 64
        assert cost.macs == SITE.macs
        assert cost.file_bytes > cost.weight_bytes


def test_zeros_that_a_trained_kernel_has_make_it_cheaper_where_zeros_are() -> None:
    holed = replace(SITE, zeros=SITE.weights * 9 // 10)
    for name, target in TARGETS.items():
        whole, cheap = target.cost(SITE, DENSE), target.cost(holed, DENSE)
        assert cheap.macs == whole.macs
        if name in ("mobile", "ethos_u", "c"):
            assert cheap.weight_bytes < 0.4 * whole.weight_bytes
        else:
            assert cheap == whole


def test_a_dense_layer_is_never_stored_sparse() -> None:
    site = ConvSite("fc", "dense", (1, 1), 64, 64, zeros=4000)
    assert TARGETS["mobile"].cost(site, DENSE).weight_bytes == 64 * 64 + 4 * 64
    assert TARGETS["ethos_u"].cost(site, DENSE).weight_bytes < 64 * 64 / 2


def test_smaller_dense_selects_channels_on_the_side_that_is_pruned() -> None:
    branch, around = smaller_dense(SITE, Choice("tucker2", (8, 16), "filter", kept=12))
    assert branch.kernel == (3, 3, 32, 12)
    assert [(s.role, s.kept) for s in around] == [("scatter", 12)]
    branch, around = smaller_dense(SITE, Choice("tucker2", (8, 16), "channel", kept=12))
    assert branch.kernel == (3, 3, 12, 64)
    assert [(s.role, s.kept) for s in around] == [("gather", 12)]
    branch, around = smaller_dense(SITE, Choice("tucker2", (8, 16), "block", (4, 8), 3))
    assert branch.kernel == (3, 3, 12, 24)
    assert [s.role for s in around] == ["gather", "scatter"]


def test_a_lone_scattered_branch_gives_the_bias_to_its_scatter() -> None:
    convs, selections = TARGETS["cortex_m"].emitted(SITE, Choice("none", structure="filter", kept=12))
    assert [(e.role, e.bias) for e in convs] == [("sparse", "zero"), ("scatter", "own")]
    assert selections == ()
    convs, selections = TARGETS["cortex_m"].emitted(SITE, Choice("none", structure="channel", kept=12))
    assert [(e.role, e.bias) for e in convs] == [("sparse", "own")]
    assert [s.role for s in selections] == ["gather"]


def test_where_gather_has_no_kernel_a_convolution_selects() -> None:
    convs, selections = TARGETS["ethos_u"].emitted(SITE, Choice("tucker2", (8, 16), "channel", kept=12))
    assert [e.role for e in convs] == ["first", "core", "last", "sparse", "gather"]
    assert convs[-1].kernel == (1, 1, 32, 12)
    assert selections == ()


def test_equal_zero_biases_are_counted_once() -> None:
    choice = Choice("tucker2", (8, 8))
    assert shared_zero_bias_bytes(chain_of(SITE, choice)) == 4 * 8
    mixed = [*chain_of(SITE, choice), *chain_of(SITE, Choice("tucker2", (12, 12)))]
    assert shared_zero_bias_bytes(mixed) == 4 * (8 + 12)
    target = TARGETS["cortex_m"]
    alone, pair = target.cost(SITE, choice), target.total([(SITE, choice)] * 2)
    assert pair.weight_bytes == 2 * alone.weight_bytes - 4 * 8 * 3
    xcore = TARGETS["xcore"]
    assert xcore.total([(SITE, choice)] * 2).weight_bytes == 2 * xcore.cost(SITE, choice).weight_bytes


ranks = st.integers(1, 16).map(lambda n: 4 * n)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(TARGETS)), ranks, ranks, ranks, ranks)
def test_more_rank_never_costs_less(name: str, r_in: int, r_out: int, c_in: int, c_out: int) -> None:
    site = ConvSite("conv", "conv", (3, 3), c_in + 68, c_out + 68, positions=16)
    target = TARGETS[name]
    less, more = (target.cost(site, Choice("tucker2", (r_in, r))) for r in (r_out, r_out + 4))
    assert less.weight_bytes < more.weight_bytes
    assert less.macs < more.macs


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(TARGETS)), st.lists(st.sampled_from([8, 16, 24, 32]), min_size=1, max_size=4))
def test_sums_of_sites_are_upper_bounds_of_the_plan(name: str, chosen: list[int]) -> None:
    target = TARGETS[name]
    pairs = [(SITE, Choice("tucker2", (r, r))) for r in chosen]
    whole = sum((target.cost(*pair) for pair in pairs), Cost())
    total = target.total(pairs)
    assert total.weight_bytes <= whole.weight_bytes
    assert total.macs == whole.macs
    assert all(math.isfinite(v) for v in (total.weight_bytes, total.file_bytes))
