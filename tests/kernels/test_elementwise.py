"""add_s8, mul_s8, table_s8, gather_s8, copy_s8 and pad_s8 against numpy and LiteRT's reference kernels."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.add import add, add_factors
from kernels.reference.concatenate import concatenate
from kernels.reference.gather import gather
from kernels.reference.mul import mul, mul_factor
from kernels.reference.pad import pad
from kernels.reference.table import table
from tests.kernels.clib import Add, Kept, Mul, Pad, buffer
from tests.kernels.litert import Fed, Fixed, network, run

SEEDS = st.integers(0, 2**32 - 1)
ZEROS = st.tuples(*[st.integers(-128, 127)] * 3)


def values(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def scales(rng: np.random.Generator, count: int) -> list[float]:
    return [float(np.float32(s)) for s in np.exp(rng.uniform(-8, 3, count))]


def add_struct(factors: tuple[float, float, float], zeros: tuple[int, int, int], low: int, high: int) -> Add:
    f = add_factors(*factors)
    return Add(
        multiplier_a=f.a[0],
        multiplier_b=f.b[0],
        multiplier_out=f.out[0],
        shift_a=f.a[1],
        shift_b=f.b[1],
        shift_out=f.out[1],
        zero_a=zeros[0],
        zero_b=zeros[1],
        zero_out=zeros[2],
        min=low,
        max=high,
    )


@pytest.mark.parametrize("in_place", [None, "a", "b"])
def test_add_kernels_agree(c: ctypes.CDLL, in_place: str | None) -> None:
    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, zeros=ZEROS)
    def check(seed: int, zeros: tuple[int, int, int]) -> None:
        rng = np.random.default_rng(seed)
        a, b = values(rng, 3, 5, 7), values(rng, 3, 5, 7)
        factors = (*scales(rng, 2), 0.0)
        factors = (factors[0], factors[1], float(np.float32(max(factors[:2]) * np.exp(rng.uniform(-3, 2)))))
        net = network(
            "ADD",
            [Fed((1, *a.shape), factors[0], zeros[0]), Fed((1, *a.shape), factors[1], zeros[1])],
            Fed((1, *a.shape), factors[2], zeros[2]),
            schema.AddOptionsT(),
            version=2,
        )
        zero_of = dict(zip(("zero_a", "zero_b", "zero_out"), zeros, strict=True))
        for low, high in ((-128, 127), (-50, 60)):
            expected = add(a, b, add_factors(*factors), **zero_of, activation=(low, high))
            mine, other = a.copy(), b.copy()
            out = {None: np.zeros_like(a), "a": mine, "b": other}[in_place]
            params = add_struct(factors, zeros, low, high)
            c.add_s8(ctypes.byref(params), buffer(mine), buffer(other), buffer(out), a.size, a.size)
            assert np.array_equal(out, expected)
            if (low, high) == (-128, 127):
                assert np.array_equal(run(net, a, b)[0], expected)

    check()


def test_add_and_mul_of_a_constant_along_the_channels(c: ctypes.CDLL) -> None:
    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, zeros=ZEROS, single=st.booleans())
    def check(seed: int, zeros: tuple[int, int, int], single: bool) -> None:
        rng = np.random.default_rng(seed)
        a, b = values(rng, 4, 3, 6), values(rng, 1 if single else 6)
        scale_a, scale_b, scale_out = scales(rng, 3)
        scale_out = max(scale_out, scale_a, scale_b)
        zero_of = dict(zip(("zero_a", "zero_b", "zero_out"), zeros, strict=True))
        ins = [Fed((1, *a.shape), scale_a, zeros[0]), Fed(b.shape, scale_b, zeros[1])]

        expected = add(a, b, add_factors(scale_a, scale_b, scale_out), **zero_of)
        out = np.zeros_like(a)
        params = add_struct((scale_a, scale_b, scale_out), zeros, -128, 127)
        c.add_s8(ctypes.byref(params), buffer(a), buffer(b), buffer(out), a.size, b.size)
        assert np.array_equal(out, expected)
        net = network("ADD", ins, Fed((1, *a.shape), scale_out, zeros[2]), schema.AddOptionsT(), version=2)
        assert np.array_equal(run(net, a, b)[0], expected)

        scale_out = float(np.float32(scale_a * scale_b * np.exp(rng.uniform(2, 6))))
        factor = mul_factor(scale_a, scale_b, scale_out)
        expected = mul(a, b, *factor, **zero_of)
        product = Mul(multiplier=factor[0], shift=factor[1], **zero_of, min=-128, max=127)
        c.mul_s8(ctypes.byref(product), buffer(a), buffer(b), buffer(out), a.size, b.size)
        assert np.array_equal(out, expected)
        net = network("MUL", ins, Fed((1, *a.shape), scale_out, zeros[2]), schema.MulOptionsT(), version=2)
        assert np.array_equal(run(net, a, b)[0], expected)

    check()


def test_an_output_scale_too_small_for_a_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        add_factors(1.0, 1.0, 1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, c_in=st.integers(1, 20), c_out=st.integers(1, 20), positions=st.integers(1, 30))
def test_table_gather_and_copy_move_values(c: ctypes.CDLL, seed: int, c_in: int, c_out: int, positions: int) -> None:
    rng = np.random.default_rng(seed)
    kept = Kept()
    x, numbers, index = values(rng, positions, c_in), values(rng, 256), rng.integers(0, c_in, c_out)
    looked_up = x.copy()
    c.table_s8(buffer(numbers), buffer(looked_up), buffer(looked_up), x.size)
    assert np.array_equal(looked_up, table(x, numbers))

    gathered = np.zeros((positions, c_out), np.int8)
    c.gather_s8(kept.pointer(index, np.uint16), buffer(x), buffer(gathered), positions, c_in, c_out)
    assert np.array_equal(gathered, gather(x, index))

    joined = np.zeros((positions, c_in + c_out), np.int8)
    c.copy_s8(buffer(x), buffer(joined), positions, c_in, c_in, c_in + c_out)
    c.copy_s8(buffer(gathered), ctypes.c_void_p(joined.ctypes.data + c_in), positions, c_out, c_out, c_in + c_out)
    assert np.array_equal(joined, concatenate([x, gathered]))


def test_pad_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=40, deadline=None)
    @given(
        seed=SEEDS,
        shape=st.tuples(*[st.integers(1, 5)] * 3),
        paddings=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3),
        zero=st.integers(-128, 127),
    )
    def check(seed: int, shape: tuple[int, int, int], paddings: tuple, zero: int) -> None:
        x = values(np.random.default_rng(seed), *shape)
        expected = pad(x, paddings, zero)
        out = np.zeros_like(expected)
        params = Pad(
            h_in=shape[0],
            w_in=shape[1],
            c_in=shape[2],
            h_out=out.shape[0],
            w_out=out.shape[1],
            c_out=out.shape[2],
            top=paddings[0][0],
            left=paddings[1][0],
            front=paddings[2][0],
            value=zero,
        )
        c.pad_s8(ctypes.byref(params), buffer(x), buffer(out))
        assert np.array_equal(out, expected)
        net = network(
            "PAD",
            [Fed((1, *shape), 0.5, zero), Fixed(np.int32([(0, 0), *paddings]))],
            Fed((1, *out.shape), 0.5, zero),
            schema.PadOptionsT(),
            version=2,
        )
        assert np.array_equal(run(net, x)[0], expected)

    check()
