"""A graph that kills TensorFlow's own optimiser runs, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SHORTCUT = """
from compiler.run.configure_tensorflow import configure_tensorflow
configure_tensorflow(1)
import keras
import numpy as np
from keras import layers
inputs = keras.Input((16, 16, 32))
shortcut = keras.ops.pad(layers.AveragePooling2D(2)(inputs), ((0, 0), (0, 0), (0, 0), (16, 16)))
x = layers.Conv2D(44, 3, padding="same", strides=2, use_bias=False)(inputs)
model = keras.Model(inputs, layers.Add()([layers.Conv2D(64, 1)(x), shortcut]))
x = np.ones((4, 16, 16, 32), "float32")
np.testing.assert_allclose(model.predict_on_batch(x), np.asarray(model(x)), atol=1e-4)
"""


def test_a_convolution_added_to_a_padded_shortcut_runs() -> None:
    done = subprocess.run([sys.executable, "-c", SHORTCUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
