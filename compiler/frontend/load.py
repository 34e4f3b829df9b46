"""Read a trained network from a file, whatever wrote it, without running code from it or touching it.

Formats (by content, not by suffix): a `.keras` archive is a zip with `config.json` and `model.weights.h5`; a whole
model in HDF5 carries its graph as the attribute `model_config`; HDF5 without that holds weights only, and the graph
comes from a builder in `models/`; a `.tflite` is a flatbuffer with the identifier TFL3.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from compiler.errors import BadInput, CompilerError, UnsupportedModel
from compiler.frontend.file_kind import DAMAGE, damaged_file, file_kind
from compiler.frontend.graph import emit, graph_of, unpack
from compiler.frontend.import_tflite import Imported, import_tflite
from compiler.frontend.mend_config import mend_config


def load(path: str | Path, *, model_name: str | None = None, input_shape: tuple[int, ...] | None = None) -> keras.Model:
    """The network in `path`, uncompiled, as Keras' Functional or Sequential.

    `model_name` names a builder of `models.MODELS` where the file holds weights only; `input_shape` (no batch) fills
    in the open (`None`) dimensions of the inputs.

    Raises BadInput for a missing, damaged or foreign file, NaN or infinite weights, and open dimensions without
    `input_shape`; UnsupportedModel for subclassed models, custom layers and Lambda layers (their code is not run), and
    for operators of a `.tflite` that can't be read.
    """
    return load_with_ranges(path, model_name=model_name, input_shape=input_shape).model


def load_with_ranges(
    path: str | Path, *, model_name: str | None = None, input_shape: tuple[int, ...] | None = None
) -> Imported:
    """As `load`, with the ranges that an int8 `.tflite` carries."""
    path, quantized = Path(path), None
    kind = file_kind(path)
    if kind == "weights":
        model = _from_weights(path, model_name, input_shape)
    elif model_name is not None:
        raise BadInput(f"{path} holds its own graph; leave --model {model_name} out")
    elif kind == "tflite":
        imported = _from_tflite(path)
        model, quantized = imported.model, imported.quantized
    else:
        model = _from_archive(path) if kind == "archive" else _from_hdf5(path)
    if not model.built:
        raise UnsupportedModel(f"{path} holds a Sequential that never saw an input; train it, then save it again")
    _refuse_nonfinite_weights(model, path)
    model = with_input_shape(model, input_shape)
    if not isinstance(model, keras.Sequential) and unpack(model.input) is not model.input:
        model = keras.Model(unpack(model.input), model.output, name=model.name)  # else Keras warns of every lone array
    return Imported(model, quantized)


def _from_archive(path: Path) -> keras.Model:
    with zipfile.ZipFile(path) as archive:
        config = _parse(archive.read("config.json"), path)
        metadata = _parse(archive.read("metadata.json"), path) if "metadata.json" in archive.namelist() else {}
    mended = _mend(config, path, keras_2=str(metadata.get("keras_version", "3")).startswith("2"))

    def write(copy: Path) -> None:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for member in old.namelist():
                new.writestr(member, json.dumps(mended) if member == "config.json" else old.read(member))

    return _load_with_keras(path, ".keras", write if mended != config or path.suffix != ".keras" else None)


def _from_hdf5(path: Path) -> keras.Model:
    try:
        with h5py.File(path, "r") as file:
            text, version = file.attrs["model_config"], file.attrs.get("keras_version", "2")
        version = version.decode() if isinstance(version, bytes) else str(version)
    except DAMAGE as error:
        raise damaged_file(path, error) from error
    config = _parse(text, path)
    mended = _mend(config, path, keras_2=not version.startswith("3"))

    def write(copy: Path) -> None:
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(mended).encode()

    return _load_with_keras(path, ".h5", write if mended != config or path.suffix not in (".h5", ".hdf5") else None)


def _load_with_keras(path: Path, suffix: str, write: Callable[[Path], None] | None) -> keras.Model:
    """Keras reads `path`, or the mended copy that `write` makes."""
    with tempfile.TemporaryDirectory() as folder:
        readable = path
        if write is not None:
            readable = Path(folder) / f"network{suffix}"
            write(readable)
        try:
            return keras.models.load_model(readable, compile=False, safe_mode=True)
        except Exception as error:
            raise BadInput(
                f"{path} can't be read by Keras {keras.__version__} ({_first_line(error)}); open it with the Keras "
                "that wrote it and save it again with model.save('network.keras')"
            ) from error


def _from_tflite(path: Path) -> Imported:
    try:
        return import_tflite(path.read_bytes())
    except CompilerError as error:
        raise type(error)(f"{path}: {error}") from error


def _from_weights(path: Path, model_name: str | None, input_shape: tuple[int, ...] | None) -> keras.Model:
    from models import MODELS, builder

    names = ", ".join(MODELS)
    if model_name is None:
        raise BadInput(f"{path} holds weights but no graph; name its builder with --model (one of {names})")
    if model_name not in MODELS:
        raise BadInput(f"--model {model_name} is not in models/; it is one of {names}")
    arguments: dict[str, Any] = {} if input_shape is None else {"input_shape": input_shape}
    try:
        with h5py.File(path, "r") as file:
            legacy = "layer_names" in file.attrs  # the layout of Keras 1 and 2, and of Keras 3 under a plain ".h5"
            classes = _classes(file)
    except DAMAGE as error:
        raise damaged_file(path, error) from error
    if classes is not None:
        arguments["classes"] = classes
    try:
        model = builder(model_name)(**arguments)
        with tempfile.TemporaryDirectory() as folder:  # Keras takes the layout from the suffix
            readable = Path(folder) / ("network.h5" if legacy else "network.weights.h5")
            readable.symlink_to(path.resolve())
            model.load_weights(readable)
    except Exception as error:
        raise BadInput(
            f"the weights in {path} don't fit --model {model_name} ({_first_line(error)}); name the builder that they "
            "were trained with, and its --input_shape"
        ) from error
    return model


def _classes(file: h5py.File) -> int | None:
    """Number of classes that the weights were trained for: the width of the one matrix that feeds no other."""
    shapes: list[tuple[int, ...]] = []
    file.visititems(lambda name, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    matrices = [shape for shape in shapes if len(shape) == 2]
    last = {width for _, width in matrices} - {height for height, _ in matrices}
    return last.pop() if len(last) == 1 else None


def with_input_shape(model: keras.Model, input_shape: tuple[int, ...] | None) -> keras.Model:
    """The same network (same layers) with the open dimensions of its inputs set to `input_shape` (without batch)."""
    opened = [tensor for tensor in model.inputs if None in tensor.shape[1:]]
    if not opened:
        shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
        if input_shape is not None and tuple(input_shape) not in shapes:
            raise BadInput(
                f"--input_shape is {_text(input_shape)}, but the network's is fixed at {_text(shapes[0])}; leave the "
                "flag out."
            )
        return model
    for tensor in opened:
        wanted = tensor.shape[1:]
        if input_shape is None:
            example = [size or (3 if axis == len(wanted) - 1 else 224) for axis, size in enumerate(wanted)]
            raise BadInput(f"input '{tensor.name}' is {_text(wanted)}; fix it with --input_shape, as {_text(example)}")
        if len(wanted) != len(input_shape) or any(w not in (None, s) for w, s in zip(wanted, input_shape, strict=True)):
            raise BadInput(f"--input_shape {_text(input_shape)} does not fit input '{tensor.name}', {_text(wanted)}")

    def fix(tensor: keras.KerasTensor) -> keras.KerasTensor:
        shape = input_shape if None in tensor.shape[1:] else tensor.shape[1:]
        return keras.Input(shape, batch_size=tensor.shape[0], dtype=tensor.dtype, name=tensor.name)

    graph = graph_of(model)
    inputs = keras.tree.map_structure(fix, graph.input)
    try:
        outputs = emit(graph, inputs, lambda call, args, kwargs: call.operation(*args, **kwargs))
    except Exception as error:
        raise BadInput(
            f"the network can't take --input_shape {_text(input_shape)} ({_first_line(error)}); give the shape that it "
            "was trained on"
        ) from error
    return keras.Model(inputs, outputs, name=model.name)


def _refuse_nonfinite_weights(model: keras.Model, path: Path) -> None:
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model):
            continue
        for weight in layer.weights:
            if not np.all(np.isfinite(np.asarray(weight, np.float32))):
                raise BadInput(
                    f"{path}: layer '{layer.name}' has NaN or infinite weights ({weight.name}); train the network "
                    "again or take an earlier checkpoint"
                )


def _parse(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{path}: its description of the network is no JSON ({error}); save the model again") from error
    if not isinstance(config, dict):
        raise BadInput(f"{path}: its description of the network is no JSON object; save the model again")
    return config


def _mend(config: dict[str, Any], path: Path, *, keras_2: bool) -> dict[str, Any]:
    try:
        return mend_config(config, keras_2=keras_2)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: its description of the network is incomplete ({error!r}); save it again") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160]


def _text(shape: Any) -> str:
    return ",".join("?" if size is None else str(size) for size in shape)
