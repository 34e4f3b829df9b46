"""`--data` and `--calibration_data`: read examples, and refuse what would make every figure behind them wrong.

    file.npz          `x` (n, …) and, if labelled, `y` (n,); a network of several inputs takes `x0`, `x1`, …
    folder            images, in a folder for each class: names that are integers are class ids, others are numbered
                      in alphabetical order; images in the folder itself are unlabelled
    digits            the held-out third of scikit-learn's digits, (8, 8, 1), scaled to 0..1
    cifar10, …        the test half of a data set of keras.datasets (downloaded on first use)
    module:function   what the function returns, `x` or `(x, y)`; this RUNS that code

Nothing but numpy is imported until a source needs it: a run without data pays for no reader.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.are_values import are_values
from compiler.evidence.check_range import check_range
from compiler.evidence.check_source import KERAS_DATASETS, check_source
from compiler.evidence.dataset import Dataset

Shape = tuple[int | None, ...]


def load_data(
    spec: str,
    *,
    input_shape: Shape | tuple[Shape, ...],
    classes: int | None = None,
    or_values: bool = False,
    input_scale: float = 1.0,
    input_mean: tuple[float, ...] = (0.0,),
    input_std: tuple[float, ...] = (1.0,),
    input_range: tuple[float, float] | None = None,
    limit: int | None = None,
    flag: str = "--data",
) -> Dataset:
    """The examples that `spec` names, checked against the network's inputs and outputs.

    `input_shape` is one example's, without the batch axis (None: any size), or a tuple of them for several inputs.
    `classes` is the number of classes, None if the network is no classifier: then `y` is kept as it is, and so it is
    with `or_values` where it holds quantities. `input_range` is what the network's inputs are expected to span, to
    catch a wrong scale. Of more than `limit` examples a fixed random choice is taken. `flag` is named in errors, all of
    them `BadInput`.
    """
    shapes = _per_input(input_shape)
    dataset = _read(spec, shapes, flag)
    dataset = replace(dataset, scale=input_scale, mean=input_mean, std=input_std)
    _check_inputs(dataset, shapes, flag)
    dataset = replace(dataset, y=_checked_labels(dataset, classes, or_values, flag))
    if limit is not None and limit < len(dataset):
        chosen = np.sort(np.random.default_rng(0).permutation(len(dataset))[:limit])
        dataset = dataset.take(chosen, f"{limit} of {len(dataset)} of {dataset.name}")
    if input_range is not None:
        check_range(dataset, input_range, flag)
    return dataset


def _per_input(input_shape: Shape | tuple[Shape, ...]) -> tuple[Shape, ...]:
    if input_shape and isinstance(input_shape[0], tuple):
        return input_shape
    return (input_shape,)  # type: ignore[return-value]


def _read(spec: str, shapes: tuple[Shape, ...], flag: str) -> Dataset:
    check_source(spec, flag)
    path = Path(spec)
    if path.suffix == ".npz":
        from compiler.evidence.read_npz import read_npz

        return read_npz(path, inputs=len(shapes), flag=flag)
    if spec == "digits":
        from compiler.evidence.read_digits import read_digits

        return read_digits()
    if spec.removeprefix("keras.datasets.") in KERAS_DATASETS:
        from compiler.evidence.read_keras import read_keras

        return read_keras(spec.removeprefix("keras.datasets."), flag=flag)
    if path.is_dir():
        from compiler.evidence.read_folder import read_folder

        return read_folder(path, shape=shapes[0], flag=flag)
    from compiler.evidence.read_function import read_function

    return read_function(spec, inputs=len(shapes), flag=flag)


def _check_inputs(dataset: Dataset, shapes: tuple[Shape, ...], flag: str) -> None:
    if len(dataset.x) != len(shapes):
        raise BadInput(f"{flag} {dataset.name} has {len(dataset.x)} inputs, the network {len(shapes)}; give one each.")
    for x, shape in zip(dataset.x, shapes, strict=True):
        if x.dtype.kind not in "uif":
            raise BadInput(f"{flag} {dataset.name} has x of dtype {x.dtype}; store numbers, such as uint8 or float32.")
        if len(x) == 0:
            raise BadInput(f"{flag} {dataset.name} has no examples; give some.")
        if len(x) != len(dataset):
            raise BadInput(
                f"{flag} {dataset.name} has {len(dataset)} examples of one input and {len(x)} of another; give as many."
            )
        if not _fits(x.shape[1:], shape):
            raise BadInput(
                f"{flag} {dataset.name} has examples of shape {_show(x.shape[1:])}, the network takes {_show(shape)}; "
                f"{_mend_shape(x.shape[1:], shape)}."
            )
        if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
            bad = int(np.count_nonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1)))
            raise BadInput(f"{flag} {dataset.name} has NaN or infinite values in {bad} examples; remove those.")
        for name, values in (("mean", dataset.mean), ("std", dataset.std)):
            if len(values) not in (1, x.shape[-1]):
                raise BadInput(
                    f"--input_{name} has {len(values)} numbers and the examples of {flag} have {x.shape[-1]} channels; "
                    "give one number, or one for each channel."
                )


def _fits(shape: Shape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(e is None or e == s for s, e in zip(shape, expected, strict=True))


def _mend_shape(shape: Shape, expected: Shape) -> str:
    if len(expected) == len(shape) + 1 and expected[-1] == 1 and _fits(shape, expected[:-1]):
        return "add the channel axis, x[..., None]"
    if len(shape) == len(expected) == 3 and _fits((*shape[1:], shape[0]), expected):
        return "the channels come first, so store x.transpose(0, 2, 3, 1)"
    if len(shape) == len(expected) and expected and expected[-1] not in (None, shape[-1]):
        return f"store examples of {expected[-1]} channels"
    return "store examples of that shape"


def _show(shape: Shape) -> str:
    return "×".join("any" if s is None else str(s) for s in shape) or "a single number"


def _checked_labels(dataset: Dataset, classes: int | None, or_values: bool, flag: str) -> np.ndarray | None:
    """Labels as (n,) int64 for a classifier; as they are otherwise."""
    y = dataset.y
    if y is None:
        return None
    if y.ndim == 0 or len(y) != len(dataset):
        count = "one value" if y.ndim == 0 else f"{len(y)} labels"
        raise BadInput(
            f"{flag} {dataset.name} has {len(dataset)} examples and {count}; give one label for each example."
        )
    if classes is None or (or_values and are_values(y)):
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise BadInput(
            f"{flag} {dataset.name} has labels of shape {y.shape}; give class ids of shape ({len(y)},), "
            "for one-hot labels y.argmax(1)."
        )
    if y.dtype.kind == "f" and not np.all(np.isfinite(y)):
        bad = int(np.count_nonzero(~np.isfinite(y)))
        raise BadInput(f"{flag} {dataset.name} has NaN or infinite labels of {bad} examples; remove those examples.")
    if y.dtype.kind not in "uif" or (y.dtype.kind == "f" and not np.all(y == np.round(y))):
        raise BadInput(f"{flag} {dataset.name} has labels of dtype {y.dtype}; give integer class ids.")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise BadInput(
            f"{flag} {dataset.name} has labels from {low} to {high}, the network has {classes} classes; "
            f"number the labels 0 to {classes - 1}."
        )
    return y.astype(np.int64)
