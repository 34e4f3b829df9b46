"""A network read from a .tflite computes what the file does, operator by operator, float and int8."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from compiler.backend.verify import run
from compiler.errors import BadInput, CompilerError, UnsupportedModel
from compiler.frontend.import_tflite import import_tflite
from compiler.frontend.load import load
from compiler.tflite import flatbuffer
from tests.frontend.networks import image, randomize, values
from tests.frontend.tflite_files import assert_same, float_file, int8_file, noise

SIDE = (6, 8, 3)


def network(body, shape: tuple[int, ...] = SIDE) -> keras.Model:
    inputs = image(shape=shape)
    return randomize(keras.Model(inputs, body(inputs)))


def _prelu(x):
    return layers.PReLU(shared_axes=[1, 2])(x)


# What the converter makes of each is the operator that the name says, or several.
BODIES = {
    "conv same, stride": lambda x: layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x),
    "conv valid, unequal": lambda x: layers.Conv2D(4, (2, 3), strides=(1, 2), use_bias=False)(x),
    "conv dilated": lambda x: layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu6")(x),
    "relu6 at its end": lambda x: layers.ReLU(6)(layers.Conv2D(4, 3, activation="relu6")(20 * x) * 1.5),
    "conv grouped": lambda x: layers.Conv2D(6, 3, groups=3, padding="same")(x),
    "conv even kernel": lambda x: layers.Conv2D(5, (2, 4), strides=2, padding="same", activation="tanh")(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x),
    "depthwise dilated": lambda x: layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x),
    "conv of one channel": lambda x: layers.Conv2D(4, 3, padding="same")(x[..., :1]),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x),
    "transposed valid": lambda x: layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)(x),
    "dense": lambda x: layers.Dense(5, activation="softmax")(layers.Flatten()(x)),
    "dense logits": lambda x: layers.Dense(5)(layers.Flatten()(x)),
    "dense on maps": lambda x: layers.Dense(5, activation="relu")(x),
    "residual": lambda x: layers.ReLU()(layers.Add()([layers.Conv2D(3, 3, padding="same")(x), x])),
    "sub and mul": lambda x: layers.Multiply()([layers.Subtract()([x, ops.tanh(x)]), x]),
    "excite": lambda x: layers.Multiply()([x, ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True))]),
    "scale and shift": lambda x: layers.Rescaling(0.3, offset=-0.2)(x),
    "constants by channel": lambda x: (x - np.float32([0.1, 0.2, 0.3])) / np.float32([2, 3, 4]),
    "one less": lambda x: 1.0 - x,
    "maximum and minimum": lambda x: ops.maximum(ops.minimum(x, 0.7), layers.Conv2D(3, 1)(x)),
    "average pool same": lambda x: layers.AveragePooling2D(3, strides=2, padding="same")(x),
    "max pool": lambda x: layers.MaxPooling2D((2, 3))(x),
    "mean": lambda x: layers.GlobalAveragePooling2D()(x),
    "mean of one axis": lambda x: ops.mean(x, axis=2),
    "maximum of map": lambda x: layers.GlobalMaxPooling2D(keepdims=True)(x),
    "sum": lambda x: ops.sum(x, axis=-1),
    "pad": lambda x: layers.ZeroPadding2D(((1, 2), (0, 3)))(x),
    "pad channels": lambda x: ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2))),
    "pad with a constant": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0)), constant_values=0.5),
    "pad mirrored": lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)), mode="reflect"),
    "reshape and permute": lambda x: layers.Permute((2, 1))(layers.Reshape((12, 12))(x)),
    "concatenate": lambda x: layers.Concatenate()([x, layers.Conv2D(2, 1)(x)]),
    "concatenate rows": lambda x: layers.Concatenate(axis=1)([x, ops.abs(x)]),
    "split": lambda x: ops.split(x, 3, axis=-1)[1] * x,
    "split unequal": lambda x: ops.split(x, [2, 3], axis=2)[2],
    "slice": lambda x: x[:, 1:4, ::2, 1:],
    "slice an index": lambda x: x[:, 2],
    "gather": lambda x: ops.take(x, [2, 0, 0], axis=-1),
    "repeated": lambda x: layers.UpSampling2D((2, 3))(x),
    "nearest": lambda x: ops.image.resize(x, (12, 24), interpolation="nearest"),
    "nearest, any size": lambda x: layers.Resizing(7, 5, interpolation="nearest")(x),
    "bilinear": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "bilinear, any size": lambda x: layers.Resizing(7, 5)(x),
    "leaky": lambda x: layers.LeakyReLU(negative_slope=0.15)(x),
    "prelu": _prelu,
    "prelu, a slope a position": lambda x: layers.PReLU()(x),
    "hard swish": lambda x: layers.Activation("hard_silu")(x),
    "elu": lambda x: layers.Activation("elu")(x),
    "gelu": lambda x: layers.Activation("gelu")(x),
    "log softmax": lambda x: layers.Activation("log_softmax")(x),
    "unary": lambda x: ops.sqrt(ops.exp(x) + ops.square(x)) - ops.rsqrt(1 + ops.abs(x)) + ops.log(2 + ops.abs(x)),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_float_operators(body) -> None:
    assert_same(float_file(network(body)))


INT8 = [
    "conv same, stride",
    "depthwise",
    "transposed",
    "dense logits",
    "dense on maps",
    "residual",
    "excite",
    "constants by channel",
    "average pool same",
    "mean",
    "pad",
    "concatenate",
    "slice",
    "nearest",
    "leaky",
    "hard swish",
]


@pytest.mark.parametrize("name", INT8)
def test_int8_operators(name: str) -> None:
    """Two steps of the output's scale at most: one of rounding it, one of what went before."""
    file = int8_file(network(BODIES[name]))
    graph = flatbuffer.subgraph(flatbuffer.read(file))
    step = graph.tensors[graph.outputs[0]].quantization.scale[0]
    imported = import_tflite(file)
    inputs = noise(imported.model, 8)
    [expected], [found] = run(file, inputs, kernels="reference"), values(imported.model, inputs)
    assert np.max(np.abs(expected - found)) <= 2.5 * step + 0.02 * np.max(np.abs(expected))
    assert np.mean(np.abs(expected - found)) <= 1.0 * step


LAYER = st.tuples(
    st.sampled_from(["conv", "depthwise", "average", "max"]),
    st.integers(1, 3),  # kernel
    st.integers(1, 2),  # stride
    st.sampled_from(["same", "valid"]),
    st.sampled_from([None, "relu", "relu6", "tanh"]),
    st.integers(1, 6),  # filters
)
CHAIN = st.tuples(
    st.tuples(st.integers(5, 9), st.integers(5, 9), st.integers(1, 4)),
    st.lists(LAYER, min_size=1, max_size=4),
    st.booleans(),
)


def chain(shape: tuple[int, int, int], drawn: list[tuple], classifies: bool) -> keras.Model:
    """Layers behind each other, with a shortcut where the shapes allow one."""
    x = inputs = image(shape=shape)
    for kind, kernel, stride, padding, activation, filters in drawn:
        before, padding = x, "same" if min(x.shape[1:3]) < kernel else padding
        if kind == "conv":
            x = layers.Conv2D(filters, kernel, stride, padding, activation=activation)(x)
        elif kind == "depthwise":
            x = layers.DepthwiseConv2D(kernel, stride, padding, 1 + filters % 2, activation=activation)(x)
        else:
            x = (layers.AveragePooling2D if kind == "average" else layers.MaxPooling2D)(kernel, stride, padding)(x)
        if x.shape == before.shape:
            x = layers.Add()([x, before])
    if classifies:
        x = layers.Dense(4, activation="softmax")(layers.Flatten()(x))
    return randomize(keras.Model(inputs, x))


@given(CHAIN)
@settings(max_examples=15)
def test_float_chains(drawn: tuple) -> None:
    imported = assert_same(float_file(chain(*drawn)))
    assert imported.quantized is None


@given(CHAIN)
@settings(max_examples=8)
def test_int8_chains(drawn: tuple) -> None:
    """Weights and biases are the file's, so the network differs from it by what int8 activations lose alone."""
    file = int8_file(chain(*drawn), 16)
    imported = import_tflite(file)
    inputs = noise(imported.model, 16)
    [expected], [found] = run(file, inputs, kernels="reference"), values(imported.model, inputs)
    assert np.sum((expected - found) ** 2) <= 0.01 * np.sum(expected**2)


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
    def body(x):
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
    def body(x):
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


def test_unknown_operators_are_refused_by_name() -> None:
    file = float_file(network(lambda x: ops.cumsum(x, axis=1)))
    with pytest.raises(UnsupportedModel, match=r"uses CUMSUM, which can't be read .*; give the network as a \.keras"):
        import_tflite(file)


def test_known_operators_in_a_form_without_equal_are_refused_by_name() -> None:
    model = flatbuffer.read(float_file(network(BODIES["bilinear"])))
    for name, operator in flatbuffer.operators(model):
        if name == "RESIZE_BILINEAR":
            operator.builtinOptions.halfPixelCenters = False
    with pytest.raises(UnsupportedModel, match=r"RESIZE_BILINEAR .* doesn't sample in the middle"):
        import_tflite(flatbuffer.write(model))


def test_what_mixes_a_batch_is_refused() -> None:
    model = flatbuffer.read(float_file(network(lambda x: layers.Permute((2, 1, 3))(x))))
    [(_, operator)] = list(flatbuffer.operators(model))
    order = flatbuffer.subgraph(model).tensors[operator.inputs[1]]
    model.buffers[order.buffer].data = np.frombuffer(np.int32([1, 0, 2, 3]).tobytes(), np.uint8)
    with pytest.raises(UnsupportedModel, match=r"TRANSPOSE .* moves the batch"):
        import_tflite(flatbuffer.write(model))


def test_computed_weights_are_refused() -> None:
    model = flatbuffer.read(float_file(network(BODIES["conv same, stride"])))
    [(_, operator)] = list(flatbuffer.operators(model))
    graph = flatbuffer.subgraph(model)
    graph.tensors[operator.inputs[1]].buffer = 0
    graph.inputs = np.int32([*graph.inputs, operator.inputs[1]])
    with pytest.raises(UnsupportedModel, match=r"no batch in common|computes its weights at run time"):
        import_tflite(flatbuffer.write(model))


def test_shapes_that_contradict_keras_are_refused() -> None:
    model = flatbuffer.read(float_file(network(BODIES["max pool"])))
    graph = flatbuffer.subgraph(model)
    graph.tensors[graph.outputs[0]].shape = np.int32([1, 3, 3, 3])
    with pytest.raises(UnsupportedModel, match=r"makes \(3, 3, 3\) in the file and \(3, 2, 3\) in Keras"):
        import_tflite(flatbuffer.write(model))


@given(st.floats(0, 1), st.integers(0, 255))
@settings(max_examples=60)
def test_damaged_files_are_refused_in_a_sentence(where: float, byte: int) -> None:
    """Cut off anywhere, or with one byte changed: an error of the compiler, or a network; never a traceback."""
    file = _small_file()
    for damaged in (file[: int(where * len(file))], _changed(file, int(where * (len(file) - 1)), byte)):
        with contextlib.suppress(CompilerError):
            import_tflite(damaged)


def test_cut_off_files_name_the_path(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(_small_file()[:600])
    with pytest.raises(BadInput, match=r"net\.tflite: this TFLite file is damaged or cut off"):
        load(path)
    path.write_bytes(_small_file()[:6])
    with pytest.raises(BadInput, match=r"neither a \.keras nor an HDF5 nor a TFLite file"):
        load(path)


def test_load_checks_what_it_checks_of_keras_files(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(_small_file())
    assert load(path).inputs[0].shape == (None, *SIDE)
    with pytest.raises(BadInput, match="holds its own graph; leave --model"):
        load(path, model_name="resnet8")
    with pytest.raises(BadInput, match="the network's is fixed at 6,8,3"):
        load(path, input_shape=(4, 4, 3))
    model = flatbuffer.read(_small_file())
    kernel = flatbuffer.subgraph(model).tensors[next(flatbuffer.operators(model))[1].inputs[1]]
    model.buffers[kernel.buffer].data = np.full(len(model.buffers[kernel.buffer].data), 255, np.uint8)
    path.write_bytes(flatbuffer.write(model))
    with pytest.raises(BadInput, match="has NaN or infinite weights"):
        load(path)


@functools.cache
def _small_file() -> bytes:
    return float_file(network(BODIES["residual"]))


def _changed(file: bytes, place: int, byte: int) -> bytes:
    return file[:place] + bytes([byte]) + file[place + 1 :]


OFFICIAL = ["pretrainedResnet.tflite", "kws_ref_model_float32.tflite"]
OFFICIAL_INT8 = ["pretrainedResnet_quant.tflite", "kws_ref_model.tflite", "vww_96_int8.tflite"]


@pytest.mark.parametrize("name", OFFICIAL + OFFICIAL_INT8)
def test_official_files(name: str, shared: Path) -> None:
    """Float: to 1e-4. Int8, and the float DS-CNN, whose int8 kernels LiteRT multiplies with rounded inputs: answers."""
    file = (shared / "models" / "tflite" / name).read_bytes()
    if name == OFFICIAL[0]:
        assert_same(file)
    imported = import_tflite(file)
    assert (imported.quantized is not None) == (name in OFFICIAL_INT8)
    inputs = real_inputs(name, shared)
    [expected], [found] = run(file, [inputs]), values(imported.model, [inputs])
    assert np.mean(expected.argmax(1) == found.argmax(1)) >= 0.96
    assert np.mean(np.abs(expected - found)) <= 0.02


def real_inputs(name: str, shared: Path) -> np.ndarray:
    file = {"pre": "cifar10_exact_dev.npz", "kws": "kws_dev.npz", "vww": "coco100_96x96.npz"}[name[:3]]
    with np.load(shared / "data" / file) as data:
        x = data["x"][:100].astype(np.float32)
    return x.reshape(len(x), 49, 10, 1) if name.startswith("kws") else x / 255 if name.startswith("vww") else x
