"""TensorFlow as the compiler sets it up, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

SHORTCUT = """
from compiler.run.configure_tensorflow import configure_tensorflow
configure_tensorflow()
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


GRADIENT = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])
from compiler.run.configure_tensorflow import configure_tensorflow
configure_tensorflow()
import hashlib
import numpy as np
import tensorflow as tf
random = np.random.default_rng(0)
x, kernel = (tf.constant(random.normal(size=s).astype("float32")) for s in ((96, 32, 32, 16), (3, 3, 16, 16)))
with tf.GradientTape() as tape:
    tape.watch([x, kernel])
    h = tf.nn.conv2d(x, kernel, 1, "SAME")
    mean, variance = tf.nn.moments(h, [0, 1, 2])
    loss = tf.reduce_sum(mean ** 2) + tf.reduce_sum(tf.math.log(variance))
print(hashlib.sha256(b"".join(g.numpy().tobytes() for g in tape.gradient(loss, [x, kernel]))).hexdigest())
"""


def test_gradients_do_not_follow_the_number_of_cores() -> None:
    def digest(cores: int) -> str:
        done = subprocess.run([sys.executable, "-c", GRADIENT, str(cores)], capture_output=True, text=True, check=True)
        return done.stdout

    assert digest(1) == digest(2)


TRACES = """
from compiler.run.configure_tensorflow import configure_tensorflow
configure_tensorflow()
import hashlib
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from compiler.datafree.synthesize import Maker, batchnorm_memories
keras.utils.set_random_seed(0)
inputs = h = keras.Input((32, 32, 16))
for _ in range(9):
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(h)))
    x = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(x))
    h = layers.Activation("relu")(layers.Add()([h, x]))
model = keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(h)))
taps, memories = batchnorm_memories(model)
tapped = keras.Model(inputs, [*taps, *model.outputs])
x = tf.constant(np.random.default_rng(0).normal(size=(64, 32, 32, 16)).astype("float32"))
labels = tf.constant([0, 1, 2, 3] * 16)
for _ in range(4):
    slope = Maker(tapped, memories, classifier=True).gradients([x], labels, tf.constant(1.0))[0][0]
    print(hashlib.sha256(slope.numpy().tobytes()).hexdigest())
"""


def test_gradients_are_the_same_in_every_trace_and_process() -> None:
    """Large ones: only there TensorFlow's graph optimizers rewrote their sums, in another way each time."""
    arguments = [sys.executable, "-c", TRACES]
    runs = [subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert [len(run) for run in runs] == [4, 4]
    assert len({digest for run in runs for digest in run}) == 1
