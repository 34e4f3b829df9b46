"""The normal form that all passes work on: one flat functional graph of linear layers with nothing fused into them.

    Sequential, nested models   → inlined, also where a nested model is called several times
    linear layer + activation   → `<layer>`, then `<layer>_activation`: a layer's output is its pre-activation, and
                                  the logits can be read in front of the softmax
    SeparableConv2D             → `<layer>_depthwise` (DepthwiseConv2D), then `<layer>_pointwise` (Conv2D 1×1, bias)
    Dropout, noise, random augmentation, Identity, regularizers, constraints → gone: they do nothing at inference
    any dtype policy            → float32; an open batch dimension

Layers keep their names; a name that occurs twice because of nesting gets its model's in front: `<model>_<layer>`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.errors import BadInput, UnsupportedModel
from compiler.frontend.check_equal import check_equal
from compiler.frontend.flat_names import flat_names, unused
from compiler.frontend.graph import Call, emit, graph_of, unpack
from compiler.frontend.rebuild import copy_of, set_weights

HALF_PRECISION_TOLERANCE = 2e-2  # a network trained in float16 or bfloat16 is compared with itself in that precision


def as_functional(model: keras.Model, *, tolerance: float = 1e-5) -> keras.Model:
    """`model` in normal form: fresh layers, same weights, same inputs and outputs (a lone input or output unpacked).

    It is the network at inference, as `predict` runs it, also where a layer was called with `training=True`.

    Raises UnsupportedModel for subclassed models, `channels_first` and already quantized layers; BadInput for open
    dimensions other than the batch; CheckFailed if the outputs on random inputs deviate by more than `tolerance`,
    relative to each output's largest magnitude.
    """
    graph = graph_of(model)
    for tensor in graph.inputs:
        if None in tensor.shape[1:]:
            raise BadInput(f"input '{tensor.name}' has open dimensions {tensor.shape[1:]}; fix them with --input_shape")
    normalizer = _Normalizer(graph)
    inputs = keras.tree.map_structure(_batch_input, unpack(graph.input))
    outputs = normalizer.inline(graph, inputs)
    normalizer.copy_weights()
    normal = keras.Model(inputs, unpack(outputs), name=model.name)
    half = any("16" in layer.compute_dtype for layer in model._flatten_layers(include_self=False))
    check_equal(
        graph,
        normal,
        claim="the network's normal form equals the network",
        tolerance=max(tolerance, HALF_PRECISION_TOLERANCE) if half else tolerance,
    )
    return normal


class _Normalizer:
    """Writes graphs in normal form. One normal form per original operation, however often it is called."""

    def __init__(self, graph: keras.Model) -> None:
        self.names = flat_names(graph)
        self.taken = {*self.names.values(), *(tensor.name for tensor in graph.inputs)}
        self.forms: dict[int, Callable[..., Any]] = {}
        self.copied: list[tuple[keras.Layer, Callable[[], list[np.ndarray]]]] = []

    def inline(self, graph: keras.Model, inputs: Any) -> Any:
        return emit(graph, inputs, self.apply)

    def apply(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = call.operation
        kwargs = {key: value for key, value in kwargs.items() if key != "training" and value is not None}
        if isinstance(operation, keras.Model):
            graph = graph_of(operation)
            kwargs.pop("mask", None)  # travels with the tensors
            return self.inline(graph, self.arguments_of(graph, *args, *kwargs.values()))
        if id(operation) not in self.forms:
            _refuse(operation)
            self.forms[id(operation)] = LAYERS.get(type(operation), _Normalizer.same)(self, operation)
        return self.forms[id(operation)](*args, **kwargs)

    def arguments_of(self, graph: keras.Model, argument: Any) -> Any:
        """The argument of a nested model's call, structured and cast as its inputs are."""
        if isinstance(argument, dict) and not isinstance(graph.input, dict):
            argument = [argument[tensor.name] for tensor in graph.inputs]
        tensors = [
            self.cast(graph.name)(tensor) if "float" in wanted.dtype and "float" not in tensor.dtype else tensor
            for tensor, wanted in zip(keras.tree.flatten(argument), graph.inputs, strict=True)
        ]
        return keras.tree.pack_sequence_as(graph.input, tensors)

    def copy_weights(self) -> None:
        """Once everything is built."""
        for copy, weights in self.copied:
            set_weights(copy, weights())

    def name(self, operation: keras.Operation, suffix: str = "") -> str:
        """The operation's name in the flat graph; with a suffix, an unused one for a part of it."""
        name = self.names[id(operation)]
        return unused(f"{name}_{suffix}", self.taken) if suffix else name

    def copy(self, operation: keras.Operation, **changes: Any) -> Any:
        """A copy for inference in float32, its weights to be filled in."""
        if isinstance(operation, keras.Layer):
            neutral = {key: None for key in operation.get_config() if key.endswith(("_regularizer", "_constraint"))}
            changes = {**neutral, "dtype": "float32", "trainable": True, **changes}
            changes = {key: value for key, value in changes.items() if key in operation.get_config()}
        copy = copy_of(operation, **changes)
        if isinstance(operation, keras.Layer) and operation.weights:
            self.copied.append((copy, operation.get_weights))
        return copy

    # Normal forms: each takes an operation and returns what is called in its place.

    def same(self, operation: keras.Operation) -> Callable[..., Any]:
        return self.copy(operation, name=self.name(operation))

    def nothing(self, layer: keras.Layer) -> Callable[..., Any]:
        """What does nothing at inference; but Keras still casts integers to float there."""
        cast = self.cast(self.name(layer))

        def apply(tensor: Any, **_: Any) -> Any:
            return tensor if "float" in tensor.dtype else cast(tensor)

        return apply

    def linear(self, layer: keras.Layer) -> Callable[..., Any]:
        return _chain(self.copy(layer, name=self.name(layer), activation="linear"), self.activation(layer))

    def separable(self, layer: keras.Layer) -> Callable[..., Any]:
        depthwise = layers.DepthwiseConv2D(
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            depth_multiplier=layer.depth_multiplier,
            use_bias=False,
            name=self.name(layer, "depthwise"),
        )
        pointwise = layers.Conv2D(layer.filters, 1, use_bias=layer.use_bias, name=self.name(layer, "pointwise"))
        # Its weights: depthwise kernel, pointwise kernel, bias.
        self.copied += [(depthwise, lambda: layer.get_weights()[:1]), (pointwise, lambda: layer.get_weights()[1:])]
        return _chain(depthwise, pointwise, self.activation(layer))

    def activation(self, layer: keras.Layer) -> keras.Layer | None:
        """The layer's activation as a layer of its own; None if it has none."""
        if layer.activation is keras.activations.linear:
            return None
        name = self.name(layer, "activation")
        if isinstance(layer.activation, keras.Layer):
            return self.copy(layer.activation, name=name)
        return layers.Activation(layer.activation, name=name)

    def cast(self, name: str) -> keras.Layer:
        """Integers to float32, as a layer: a bare `keras.ops.cast` would get a name that depends on the session."""
        return layers.Rescaling(1.0, dtype="float32", name=unused(f"{name}_cast", self.taken))

    def activation_layer(self, layer: keras.Layer) -> Callable[..., Any]:
        return self.nothing(layer) if layer.activation is keras.activations.linear else self.same(layer)

    def random_crop(self, layer: keras.Layer) -> Callable[..., Any]:
        """At inference: a resize and a crop in the middle."""
        raise UnsupportedModel(f"layer '{layer.name}' is a RandomCrop; crop outside of the network and save it without")


# What becomes of a layer; all others are copied as they are.
LAYERS: dict[type, Callable[[_Normalizer, Any], Callable[..., Any]]] = {
    layers.Conv1D: _Normalizer.linear,
    layers.Conv2D: _Normalizer.linear,
    layers.Conv3D: _Normalizer.linear,
    layers.Conv1DTranspose: _Normalizer.linear,
    layers.Conv2DTranspose: _Normalizer.linear,
    layers.Conv3DTranspose: _Normalizer.linear,
    layers.DepthwiseConv1D: _Normalizer.linear,
    layers.DepthwiseConv2D: _Normalizer.linear,
    layers.Dense: _Normalizer.linear,
    layers.EinsumDense: _Normalizer.linear,
    layers.SeparableConv2D: _Normalizer.separable,
    layers.Activation: _Normalizer.activation_layer,
    layers.RandomCrop: _Normalizer.random_crop,
}
_DROPOUT = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout")
_NOISE = ("GaussianNoise", "ActivityRegularization", "Identity")
_AUGMENTATION = ("AugMix", "CutMix", "MixUp", "RandAugment", "Solarization")
_RANDOM = tuple(name for name in dir(layers) if name.startswith("Random") and name != "RandomCrop")
LAYERS |= {getattr(layers, name): _Normalizer.nothing for name in _DROPOUT + _NOISE + _AUGMENTATION + _RANDOM}


def _refuse(operation: keras.Operation) -> None:
    if getattr(operation, "data_format", None) == "channels_first":
        raise UnsupportedModel(
            f"layer '{operation.name}' is channels_first, which TFLite does not know; build the network with "
            "data_format='channels_last' and load the weights into it"
        )
    if getattr(operation, "quantization_mode", None) is not None:
        raise UnsupportedModel(f"layer '{operation.name}' is already quantized; give the network as it was before")
    if isinstance(operation, (layers.RNN, layers.Bidirectional, layers.ConvLSTM1D, layers.ConvLSTM2D)):
        raise UnsupportedModel(
            f"layer '{operation.name}' ({type(operation).__name__}) is recurrent, which is not supported; give the "
            "convolutional part as a network of its own"
        )
    if isinstance(operation, layers.Lambda):
        raise UnsupportedModel(f"layer '{operation.name}' is a Lambda; replace it by a Keras layer or a keras.ops call")


def _chain(*parts: Callable[..., Any] | None) -> Callable[..., Any]:
    """The parts one after the other; those that are None are left out. Keywords (masks) go to none of them."""

    def apply(tensor: Any, **_: Any) -> Any:
        for part in parts:
            tensor = tensor if part is None else part(tensor)
        return tensor

    return apply


def _batch_input(tensor: keras.KerasTensor) -> keras.KerasTensor:
    dtype = "float32" if "float" in tensor.dtype else tensor.dtype
    return keras.Input(tensor.shape[1:], dtype=dtype, name=tensor.name)
