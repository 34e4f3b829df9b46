"""Keras model → full-int8 TFLite, through TensorFlow's converter.

Post-training quantization as in Jacob et al. 2018 (arXiv:1712.05877): weights symmetric int8 per output channel,
activations asymmetric int8 per tensor with ranges seen on the calibration inputs, biases int32. The converter runs on
a function of batch size 1 that is traced and saved in inference mode, so the same model and the same calibration
give the same bytes.

The only file of the backend that imports TensorFlow, and only when `quantize` is called.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np

from compiler.errors import BadInput, CheckFailed, UnsupportedLayer
from compiler.frontend.feed import feed
from compiler.tflite import flatbuffer

IO = Literal["int8", "uint8", "float"]
SIGNATURE = "serving_default"


def quantize(
    model: keras.Model,
    calibration: np.ndarray | Sequence[np.ndarray],
    *,
    io: IO = "int8",
    per_tensor_dense: bool = False,
) -> bytes:
    """The int8 TFLite of `model`, batch size 1, inputs and outputs in the order of `model.inputs` and `.outputs`.

    calibration       the inputs that fix the activations' ranges: one array (N, …), or one array per model input.
    io                type at the borders; "float" keeps float32 there, with a QUANTIZE and a DEQUANTIZE inside.
    per_tensor_dense  one scale for the whole kernel of a Dense: TFLite Micro's FULLY_CONNECTED ignores per-channel
                      scales and would compute wrongly without an error.

    Raises UnsupportedLayer naming an operator that can't be had as an int8 builtin, BadInput for a calibration that
    does not fit the model, CheckFailed where the converter fails otherwise.
    """
    arrays = _calibration_arrays(model, calibration)
    names = _signature_names(model)
    with _silenced():
        converter = _converter(model, names)
        _set_int8(converter, io)
        converter._experimental_disable_per_channel_quantization_for_dense_layers = per_tensor_dense
        converter.representative_dataset = lambda: (
            {name: array[i : i + 1] for name, array in zip(names, arrays, strict=True)} for i in range(len(arrays[0]))
        )
        try:
            tflite = converter.convert()
        except Exception as error:
            raise _explain(error) from error
    packed = flatbuffer.read(tflite)
    _order_borders(packed, names)
    floats = set(flatbuffer.float_operators(packed, borders=io == "float"))
    if floats:
        culprits = sorted(floats - {"QUANTIZE", "DEQUANTIZE"} or floats)
        raise UnsupportedLayer(
            f"the converter left {', '.join(culprits)} in float: replace the layers that need it by ones that TFLite "
            "has as int8 operators"
        )
    return flatbuffer.write(packed)


def _calibration_arrays(model: keras.Model, calibration: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [calibration] if isinstance(calibration, np.ndarray) else list(calibration)
    if len(arrays) != len(model.inputs):
        raise BadInput(f"the model has {len(model.inputs)} inputs: give calibration as one array for each")
    if any(len(a) != len(arrays[0]) for a in arrays) or len(arrays[0]) == 0:
        raise BadInput("calibration needs the same number of samples, at least one, for every input of the model")
    for array, tensor in zip(arrays, model.inputs, strict=True):
        expected = tuple(tensor.shape[1:])
        if None in expected:
            raise BadInput(f"input '{tensor.name}' has the open shape {expected}: fix every size of it")
        if array.shape[1:] != expected:
            raise BadInput(
                f"calibration for input '{tensor.name}' has samples of shape {array.shape[1:]}: make it {expected}"
            )
    return [np.ascontiguousarray(a, t.dtype) for a, t in zip(arrays, model.inputs, strict=True)]


def _signature_names(model: keras.Model) -> list[str]:
    """One identifier per input, after its Keras name, as TensorFlow accepts them in a signature."""
    names = [re.sub(r"\W", "_", tensor.name) for tensor in model.inputs]
    return names if len(set(names)) == len(names) else [f"input_{i}" for i in range(len(names))]


def _converter(model: keras.Model, names: list[str]) -> Any:
    import tensorflow as tf

    single = len(names) == 1
    spec = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=name)
        for tensor, name in zip(model.inputs, names, strict=True)
    ]

    def serve(*inputs: Any) -> dict[str, Any]:
        outputs = keras.tree.flatten(model(inputs[0] if single else feed(model, inputs), training=False))
        return {_output_name(i): output for i, output in enumerate(outputs)}

    # The saved model has to own the variables: Keras' own tracking of them is invisible to tf.Module.
    owner = tf.Module()
    owner.owned = [variable.value for variable in model.variables]
    owner.serve = tf.function(serve, input_signature=spec, autograph=False)
    return tf.lite.TFLiteConverter.from_concrete_functions([owner.serve.get_concrete_function()], owner)


def _output_name(index: int) -> str:
    return f"output_{index}"


def _set_int8(converter: Any, io: IO) -> None:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    border = {"int8": tf.int8, "uint8": tf.uint8, "float": tf.float32}[io]
    converter.inference_input_type = converter.inference_output_type = border


def _order_borders(packed: Any, names: list[str]) -> None:
    """Inputs and outputs of the graph in the order of the Keras model; the converter sorts them by name."""
    graph = flatbuffer.subgraph(packed)
    signature = packed.signatureDefs[0]
    by_name = {flatbuffer.text(entry.name): entry.tensorIndex for entry in signature.inputs}
    graph.inputs = np.array([by_name[name] for name in names], np.int32)
    by_name = {flatbuffer.text(entry.name): entry.tensorIndex for entry in signature.outputs}
    graph.outputs = np.array([by_name[_output_name(i)] for i in range(len(by_name))], np.int32)


def _explain(error: Exception) -> Exception:
    """The converter's complaint as one sentence that names the operator."""
    text = str(error)
    unquantized = re.search(r"Quantization not yet supported for op: '?([\w.]+)", text)
    if unquantized:
        return UnsupportedLayer(f"TFLite has no int8 {unquantized[1]}: replace the layer that needs it")
    missing = sorted(set(re.findall(r"tf\.(\w+) ?op|Op type not registered '(\w+)'|'tf\.(\w+)'", text)))
    if missing:
        names = ", ".join(sorted({name for match in missing for name in match if name}))
        return UnsupportedLayer(f"TFLite has no builtin operator for {names}: replace the layers that need it")
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return CheckFailed(f"TensorFlow's converter failed: {first}; simplify the part of the network that it names")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep the converter's chatter, much of it written by C++ straight to the descriptors, off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
