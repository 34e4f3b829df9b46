"""Patches times kernel is the convolution, for every geometry."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.patches import LEAST_ROWS, choose_rows, count_positions, patches, same_padding
from compiler.types import ConvSite

CONVS = [
    ConvSite("conv", "conv", kernel, 3, 4, strides=strides, dilation=dilation, padding=padding)
    for kernel, strides, dilation, padding in itertools.product(
        [(3, 3), (2, 5), (1, 1)], [(1, 1), (2, 2), (3, 1)], [(1, 1), (2, 3)], ["valid", "same"]
    )
    if strides == (1, 1) or dilation == (1, 1)  # TensorFlow takes one of them at a time
]


def name(site: ConvSite) -> str:
    return f"{site.kernel_size}-s{site.strides}-d{site.dilation}-{site.padding}".replace(" ", "")


@pytest.mark.parametrize("site", CONVS, ids=name)
@pytest.mark.parametrize("size", [(11, 13), (12, 14)], ids=["odd", "even"])
def test_patches_times_kernel_is_the_convolution(site: ConvSite, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, *size, site.c_in)).astype(np.float32)
    kernel = random.normal(size=site.kernel_shape).astype(np.float32)
    expected = np.asarray(
        keras.ops.conv(x, kernel, strides=site.strides, padding=site.padding, dilation_rate=site.dilation)
    )
    rows = patches(x, site)
    assert len(rows) == count_positions(x.shape, site) == np.prod(expected.shape[:3])
    np.testing.assert_allclose(rows @ kernel.reshape(-1, site.c_out), expected.reshape(-1, site.c_out), atol=2e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_keras_layer_agrees(padding: str) -> None:
    layer = layers.Conv2D(5, (3, 2), strides=(2, 1), padding=padding, use_bias=False)
    x = np.random.default_rng(1).normal(size=(2, 7, 8, 3)).astype(np.float32)
    expected = np.asarray(layer(x))
    site = ConvSite("conv", "conv", (3, 2), 3, 5, strides=(2, 1), padding=padding)
    got = patches(x, site) @ layer.get_weights()[0].reshape(-1, 5)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 6), (2, 5, 6), (2, 3, 5, 6)], ids=str)
def test_a_dense_layer_sees_its_last_axis(shape: tuple[int, ...]) -> None:
    layer = layers.Dense(3, use_bias=False)
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    expected = np.asarray(layer(x))
    site = ConvSite("dense", "dense", (1, 1), 6, 3)
    rows = patches(x, site)
    assert len(rows) == count_positions(shape, site)
    np.testing.assert_allclose(rows @ layer.get_weights()[0], expected.reshape(-1, 3), atol=1e-5)


@pytest.mark.parametrize("site", CONVS[:6], ids=name)
def test_a_choice_of_patches_is_that_choice(site: ConvSite) -> None:
    x = np.random.default_rng(3).normal(size=(3, 9, 8, site.c_in)).astype(np.float32)
    every = patches(x, site)
    choose = np.array([0, 1, len(every) // 2, len(every) - 1])
    np.testing.assert_array_equal(patches(x, site, choose), every[choose])


def test_a_choice_of_a_dense_layers_rows() -> None:
    site = ConvSite("dense", "dense", (1, 1), 4, 2)
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(patches(x, site, np.array([4])), [[16, 17, 18, 19]])


@pytest.mark.parametrize(("size", "padding"), [(8, (0, 1)), (7, (1, 1))])
def test_same_padding_puts_the_odd_one_behind(size: int, padding: tuple[int, int]) -> None:
    assert same_padding(size, kernel=3, stride=2, dilation=1) == padding


def test_statistics_take_all_patches_until_there_are_very_many() -> None:
    site = ConvSite("conv", "conv", (1, 1), 2, 2)
    few, many = np.zeros((1, 8, 8, 2), np.float32), np.zeros((2, 128, 128, 2), np.float32)
    np.testing.assert_array_equal(choose_rows(few, site, 0), np.arange(64))
    chosen = choose_rows(many, site, 0)
    assert len(np.unique(chosen)) == LEAST_ROWS
    assert np.all(np.diff(chosen) > 0)
    assert chosen[-1] < 2 * 128 * 128
    np.testing.assert_array_equal(chosen, choose_rows(many, site, 0))
    assert not np.array_equal(chosen, choose_rows(many, site, 1))
