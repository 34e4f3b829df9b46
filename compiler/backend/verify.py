"""Load a finished file back, run it, and say whether it is what was promised.

LiteRT runs one image at a time: a batch gains nothing here (ResNet-20, XNNPACK, one thread: the same time an image at
batch 1, 16 and 64), and files whose graph fixes the batch, by a RESHAPE say, need no special case. Its reference
kernels have no threads: there each of `threads` gets an interpreter of its own, and shares of the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput, CheckFailed
from compiler.greetings import without_greetings
from compiler.tflite import flatbuffer

Kernels = Literal["reference", "xnnpack"]
KERNELS: dict[Kernels, str] = {"reference": "reference kernels", "xnnpack": "XNNPACK"}  # as they are called
Inputs = np.ndarray | Sequence[np.ndarray]

SHARE = 16  # inputs that a thread takes at a time; an interruption waits for them

BORDER_TYPES = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "float": schema.TensorType.FLOAT32,
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near outputs are to others.

    snr_db          signal-to-noise ratio in dB, the worst output's
    top1_agreement  share of samples whose largest first output is the same; None if that is no class vector
    """

    snr_db: float
    top1_agreement: float | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was seen when the file ran.

    quantized   beside the float model that it was made from: what quantization changed
    original    beside the float original: what compression and quantization changed
    operators   (name, how many) of the file, by name
    samples     how many inputs were run
    """

    quantized: Agreement
    original: Agreement
    operators: tuple[tuple[str, int], ...]
    samples: int


def verify(
    tflite: bytes,
    expected: Inputs,
    original: Inputs,
    inputs: Inputs,
    *,
    io: str = "int8",
    kernels: Kernels = "xnnpack",
    threads: int = 1,
) -> Verification:
    """Run `inputs` (N, …; one array per input of the file) and compare with the outputs of the float model that was
    quantized (`expected`) and with those of the `original`.

    Raises CheckFailed where an operator works in float or is no builtin, where inputs or outputs are not of type `io`,
    where the file does not load or run, and where the outputs' shapes are not those of the float model.
    """
    names = check_operators(tflite, io=io)
    outputs = run(tflite, inputs, kernels=kernels, threads=threads)
    wanted = _arrays(expected)
    if [o.shape for o in outputs] != [w.shape for w in wanted]:
        raise CheckFailed(
            f"the file's outputs have shapes {[o.shape for o in outputs]}, the model's {[w.shape for w in wanted]}: "
            "compare a file with the model that it was made from"
        )
    return Verification(
        quantized=agreement(wanted, outputs),
        original=agreement(_arrays(original), outputs),
        operators=tuple(sorted(Counter(names).items())),
        samples=len(outputs[0]),
    )


def agreement(wanted: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Agreement:
    """Of outputs (n, …) with those that were wanted."""
    first, first_wanted = outputs[0], wanted[0]
    is_classes = first.ndim == 2 and first.shape[1] > 1
    return Agreement(
        snr_db=min(snr_db(w, o) for w, o in zip(wanted, outputs, strict=True)),
        top1_agreement=float(np.mean(first.argmax(1) == first_wanted.argmax(1))) if is_classes else None,
    )


def check_operators(tflite: bytes, *, io: str = "int8") -> list[str]:
    """Names of the file's operators in order. Raises CheckFailed where one of them is not an int8 builtin, or where
    the graph's inputs and outputs are not of type `io`."""
    model = flatbuffer.read(tflite)
    names = [name for name, _ in flatbuffer.operators(model)]
    foreign = sorted(set(flatbuffer.custom_operators(model)))
    if foreign:
        raise CheckFailed(f"the file needs operators that are no builtins ({', '.join(foreign)}): replace their layers")
    floats = sorted(set(flatbuffer.float_operators(model, borders=True)))
    if floats:
        raise CheckFailed(f"the file works in float in {', '.join(floats)}: replace the layers that need them")
    graph = flatbuffer.subgraph(model)
    for kind, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for index in indices:
            if graph.tensors[index].type != BORDER_TYPES[io]:
                got = flatbuffer.DTYPES.get(graph.tensors[index].type, "of another type")
                name = flatbuffer.text(graph.tensors[index].name)
                raise CheckFailed(f"{kind} '{name}' of the file is {got}, not {io}: quantize it with io={io}")
    # With int8 at the borders, a QUANTIZE or DEQUANTIZE that meets a float stands between two int8 operators.
    if io != "float" and any(flatbuffer.float_operators(model)):
        raise CheckFailed("the file turns to float and back inside: replace the layer that has no int8 operator")
    return names


def run(tflite: bytes, inputs: Inputs, *, kernels: Kernels = "xnnpack", threads: int = 1) -> list[np.ndarray]:
    """The file's outputs as float32, (N, …) each. Float inputs are quantized as the file says; integers are taken to
    be quantized already. Raises BadInput for inputs that do not fit, CheckFailed where LiteRT can't run the file."""
    raw, details = _run(tflite, inputs, kernels, threads)
    return [_dequantize(array, detail) for array, detail in zip(raw, details, strict=True)]


def run_raw(tflite: bytes, inputs: Inputs, *, kernels: Kernels = "xnnpack", threads: int = 1) -> list[np.ndarray]:
    """As `run`, outputs in the file's own type."""
    return _run(tflite, inputs, kernels, threads)[0]


def snr_db(signal: np.ndarray, noisy: np.ndarray) -> float:
    """10·log₁₀ of the signal's energy over that of the difference; infinite where they are equal."""
    signal = np.asarray(signal, np.float64)
    noise = np.sum((signal - np.asarray(noisy, np.float64)) ** 2)
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(max(np.sum(signal**2), np.finfo(np.float64).tiny) / noise))


def _run(tflite: bytes, inputs: Inputs, kernels: Kernels, threads: int) -> tuple[list[np.ndarray], list[dict]]:
    within = 1 if kernels == "reference" else threads  # one interpreter
    interpreter = _open(tflite, kernels, within)
    details = interpreter.get_input_details()
    arrays = [
        _quantize(array, detail) for array, detail in zip(_fitting(_arrays(inputs), details), details, strict=True)
    ]
    shares = [[array[start : start + SHARE] for array in arrays] for start in range(0, len(arrays[0]), SHARE)]
    sides = min(threads // within, len(shares))
    each = [interpreter, *(_open(tflite, kernels, within) for _ in range(sides - 1))]
    rows: list[list[np.ndarray]] = []
    with ThreadPoolExecutor(sides) as pool:
        for first in range(0, len(shares), sides):
            rows += pool.map(_invoke, each, shares[first : first + sides], repeat(kernels))
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)], interpreter.get_output_details()


def _invoke(interpreter: Any, arrays: Sequence[np.ndarray], kernels: Kernels) -> list[np.ndarray]:
    """The outputs, (n, …) each, of `arrays` (n, …) that are quantized."""
    details, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    rows: list[list[np.ndarray]] = [[] for _ in outputs]
    for i in range(len(arrays[0])):
        for array, detail in zip(arrays, details, strict=True):
            interpreter.set_tensor(detail["index"], array[i : i + 1])
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise CheckFailed(f"LiteRT ({kernels} kernels) does not run the file: {_first_line(error)}") from error
        for row, detail in zip(rows, outputs, strict=True):
            row.append(interpreter.get_tensor(detail["index"]))
    return [np.concatenate(row) for row in rows]


def _open(tflite: bytes, kernels: Kernels, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = [OpResolverType.AUTO]
    if kernels == "reference":  # the reference set lacks the latest versions of a few operators, such as TILE 3
        resolvers = [OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]
    for resolver in resolvers:
        try:
            with without_greetings():
                interpreter = Interpreter(
                    model_content=tflite, experimental_op_resolver_type=resolver, num_threads=threads
                )
                interpreter.allocate_tensors()
            return interpreter
        except (ValueError, RuntimeError) as error:
            if resolver is resolvers[-1] or "Didn't find op" not in str(error):
                raise CheckFailed(f"LiteRT ({kernels} kernels) does not load the file: {_first_line(error)}") from error
    raise AssertionError("the last one returns or raises")


def _arrays(inputs: Inputs) -> list[np.ndarray]:
    return [inputs] if isinstance(inputs, np.ndarray) else [np.asarray(array) for array in inputs]


def _fitting(arrays: list[np.ndarray], details: list[dict]) -> list[np.ndarray]:
    if len(arrays) != len(details):
        raise BadInput(f"the network has {len(details)} inputs and {len(arrays)} arrays were given: give one for each")
    for array, detail in zip(arrays, details, strict=True):
        shape = tuple(int(n) for n in detail["shape"])
        if array.shape[1:] != shape[1:] or len(array) == 0:
            wanted = ", ".join(map(str, ("N", *shape[1:])))
            raise BadInput(
                f"input '{detail['name']}' takes arrays of shape ({wanted}), not {array.shape}: reshape them"
            )
        if shape[0] != 1:
            raise BadInput(f"the file's batch size is {shape[0]}: convert the network with batch size 1")
    return arrays


def _quantize(array: np.ndarray, detail: dict) -> np.ndarray:
    dtype = np.dtype(detail["dtype"])
    if not np.issubdtype(dtype, np.integer) or np.issubdtype(array.dtype, np.integer):
        return np.ascontiguousarray(array, dtype)
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(dtype)
    return np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max).astype(dtype)


def _dequantize(array: np.ndarray, detail: dict) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale:  # a float output, or integers that mean themselves
        return array.astype(np.float32)
    return ((array.astype(np.int64) - zero_point) * scale).astype(np.float32)


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
