"""Inputs of an image network as pictures: a few synthetic ones, and examples whose answer changed."""

from __future__ import annotations

import numpy as np

from compiler.details import Changed
from compiler.evidence.accuracy import top1
from compiler.report.png import png_base64
from compiler.run.search import Found
from compiler.run.session import Session

SHOWN = 8
LARGEST = 96  # pixels
LOOKED_AT = 400  # examples of the report half that are run once more


def is_image(x: np.ndarray) -> bool:
    """(n, h, w, 1 or 3), and large enough to see something."""
    return x.ndim == 4 and x.shape[3] in (1, 3) and min(x.shape[1:3]) >= 8


def pictures(session: Session) -> tuple[str, ...]:
    """Held-out calibration inputs; () where the network's first input is no image."""
    x = session.knowledge.held_out[0]
    return tuple(map(png_base64, to_uint8(x[:SHOWN]))) if is_image(x) else ()


def changed(session: Session, found: Found) -> tuple[Changed, ...]:
    """Examples of the report half that the file answers differently; () without data or without answers."""
    examples = session.examples
    if examples.synthetic or not examples.classifier or session.evaluate is not None:
        return ()
    indices = examples.part("report")[:LOOKED_AT]
    inputs = examples.inputs(indices)
    if not is_image(inputs[0]):
        return ()
    before = top1(session.original_outputs[0][indices])
    after = top1(session.answers(found.built.emitted.tflite, list(inputs))[0])
    where = np.flatnonzero(before != after)[:SHOWN]
    labels = examples.data.y if examples.score is None else None  # a score's labels may be anything
    return tuple(
        Changed(picture, int(before[i]), int(after[i]), None if labels is None else int(labels[indices[i]]))
        for i, picture in zip(where, map(png_base64, to_uint8(inputs[0][where])), strict=True)
    )


def to_uint8(x: np.ndarray) -> list[np.ndarray]:
    """Each image (h, w, c) stretched over 0 to 255, averaged down to LARGEST pixels where it is larger."""
    if not len(x):
        return []
    step = -(-max(x.shape[1:3]) // LARGEST)
    h, w = (size // step for size in x.shape[1:3])
    small = x[:, : h * step, : w * step].reshape(len(x), h, step, w, step, -1).mean((2, 4))
    low, high = small.min((1, 2, 3), keepdims=True), small.max((1, 2, 3), keepdims=True)
    return list(np.rint(255 * (small - low) / np.maximum(high - low, 1e-12)).astype(np.uint8))
