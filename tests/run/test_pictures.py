from __future__ import annotations

import numpy as np

from compiler.run.pictures import LARGEST, is_image, to_uint8


def test_pictures_use_the_whole_range() -> None:
    x = np.random.default_rng(0).normal(size=(3, 9, 8, 3))
    for image in to_uint8(x):
        assert (image.shape, image.dtype, image.min(), image.max()) == ((9, 8, 3), np.uint8, 0, 255)
    assert to_uint8(np.zeros((0, 8, 8, 1))) == []
    assert to_uint8(np.full((1, 8, 8, 1), 5.0))[0].max() == 0


def test_large_ones_are_averaged_down() -> None:
    x = np.zeros((1, 224, 224, 1))
    x[:, :, 112:] = 1.0
    (image,) = to_uint8(x)
    assert image.shape == (74, 74, 1)
    assert max(image.shape) <= LARGEST
    assert (image[0, 0, 0], image[0, 37, 0], image[0, -1, 0]) == (0, 170, 255)  # two of three columns are white


def test_what_is_a_picture() -> None:
    assert is_image(np.zeros((2, 8, 8, 3)))
    assert not is_image(np.zeros((2, 49, 10)))
    assert not is_image(np.zeros((2, 8, 8, 12)))
    assert not is_image(np.zeros((2, 4, 4, 1)))
