"""A network read from a .tflite has the file's inputs, outputs, names and ranges, and the same form each time."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from compiler.frontend.import_tflite import import_tflite
from compiler.tflite import flatbuffer
from tests.frontend.networks import image, randomize, values
from tests.frontend.tflite_bodies import BODIES, SIDE, network
from tests.frontend.tflite_files import assert_same, float_file, int8_file, noise


def test_open_batches_and_reshapes_worked_out_at_run_time() -> None:
    model = network(lambda x: layers.Dense(3)(layers.Reshape((-1,))(layers.Conv2D(4, 3)(x))))
    file = float_file(model, batch=None)
    assert {"SHAPE", "PACK"} & {name for name, _ in flatbuffer.operators(flatbuffer.read(file))}
    imported = assert_same(file)
    assert imported.model.inputs[0].shape == (None, *SIDE)


def test_several_inputs_and_outputs_keep_their_order() -> None:
    a, b = image("a", (4, 4, 2)), image("b", (3,))
    joined = layers.Concatenate()([layers.Flatten()(a), b])
    model = randomize(keras.Model([b, a], [layers.Dense(2)(joined), layers.Conv2D(5, 3)(a)]))
    imported = import_tflite(int8_file(model))
    assert [t.shape[1:] for t in imported.model.inputs] == [(3,), (4, 4, 2)]
    assert [t.shape[1:] for t in imported.model.outputs] == [(2,), (2, 2, 5)]
    assert_same(float_file(model))


def test_shared_layers_stay_shared() -> None:
    conv = layers.Conv2D(3, 3, padding="same")
    model = network(lambda x: conv(conv(x)))
    assert len(assert_same(float_file(model)).model.weights) == len(model.weights) == 2


def test_half_precision_weights() -> None:
    model = network(lambda x: layers.Dense(64)(layers.Conv2D(32, 3)(x)))
    file = float_file(model, half=True)
    assert "DEQUANTIZE" in {name for name, _ in flatbuffer.operators(flatbuffer.read(file))}
    assert_same(file)


def test_float_borders_of_an_int8_file() -> None:
    imported = import_tflite(int8_file(network(BODIES["conv same, stride"]), io="float"))
    assert imported.quantized is not None
    assert not any("quantize" in layer.name for layer in imported.model.layers)


def test_layers_have_their_author_names() -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.DepthwiseConv2D(3, name="spread")(layers.Conv2D(4, 3, name="stem", activation="relu")(x))
        return layers.Dense(3, name="head")(layers.Flatten()(x))

    for file in (float_file(network(body)), int8_file(network(body))):
        # Keras 3 adds "_1" to all of them when it is called a second time.
        names = {layer.name.replace("_1", "") for layer in import_tflite(file).model.layers}
        assert {"stem", "stem_activation", "spread", "head"} <= names


def test_the_same_file_gives_the_same_network() -> None:
    """Names must not count what was built before: the cache and plans know the network by its hash."""
    file = float_file(network(BODIES["unary"]))
    assert import_tflite(file).model.to_json() == import_tflite(file).model.to_json()


def test_ranges_of_an_int8_file() -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
        return layers.Dense(3, activation="softmax", name="last")(layers.Flatten()(layers.MaxPooling2D()(x)))

    model = network(body)
    quantized = import_tflite(int8_file(model)).quantized
    assert quantized is not None
    seen = noise(model, 8)[0]
    relu = values(keras.Model(model.inputs, model.get_layer("first").output), [seen])[0]
    np.testing.assert_allclose(quantized.inputs[0], (seen.min(), seen.max()), rtol=0.02)
    np.testing.assert_allclose(quantized.layers["first_1_activation"], (0, relu.max()), rtol=0.02)
    # The pooling has its input's range and the softmax one that the format fixes: neither was seen.
    assert set(quantized.layers) == {"first_1_activation", "last_1"}
