from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from compiler.report.png import png_base64


@pytest.mark.parametrize("channels", [1, 3])
def test_another_reader_sees_the_same_pixels(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    with Image.open(io.BytesIO(base64.b64decode(png_base64(image)))) as read:
        assert read.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(read).reshape(image.shape), image)
