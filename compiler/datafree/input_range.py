"""In what units does the network want its inputs? Its first statistics tell.

Natural noise is shown to the network in every usual convention (0..1, ±1, 0..255, standardised, …) and in plain
scales for what is no picture. The convention under which the BatchNorms see best what they remember, wins. Noise is no
photograph, though, and edges twice as sharp make up for half the scale: so the finalists are shown again with noise
of several softnesses, and the pair is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.datafree.natural_noise import natural_noise
from compiler.types import Span

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)
# By what pictures are usually standardised with, they reach from -2.43 to 2.83 (ImageNet -2.12 to 2.64, CIFAR-10 -2.43
# to 2.75 or -1.99 to 2.13, MNIST to 2.82). Noise within ±2 is the better likeness of them, all the same.
STANDARDISED_BEYOND = 0.21
FINALISTS = 4
BLURS = (0.0, 0.4, 0.7, 1.0)  # pixels, for pictures of 32


@dataclass(frozen=True, slots=True)
class Convention:
    """Inputs are `scale · u + shift` (one number a channel, or one for all) of natural noise u in 0..1.

    `bounded`: 0 and 1 are the lowest and highest value that an input can have. `beyond`: by which share of the scale
    real inputs may reach farther than that, where only their spread is known.
    """

    name: str
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    bounded: bool = True
    beyond: float = 0.0

    def __call__(self, u: np.ndarray) -> np.ndarray:
        return (u * np.array(self.scale, np.float32) + np.array(self.shift, np.float32)).astype(np.float32)

    @property
    def low(self) -> np.ndarray:
        return np.array(self.shift, np.float32)

    @property
    def high(self) -> np.ndarray:
        return np.array(self.shift, np.float32) + np.array(self.scale, np.float32)

    @property
    def span(self) -> Span | None:
        """The lowest and the highest value that real inputs may have; None where nothing bounds them."""
        if not self.bounded:
            return None
        reach = self.beyond * np.array(self.scale)
        return float(np.min(self.low - reach)), float(np.max(self.high + reach))


def of_range(low: float, high: float) -> Convention:
    """The convention of `--input_range`."""
    return Convention(f"{low:g}..{high:g}", (high - low,), (low,))


def conventions(shapes: list[tuple[int, ...]]) -> list[Convention]:
    """What inputs of `shapes` might mean; all follow the same convention."""
    shape, channels = shapes[0], {shape[-1] for shape in shapes}
    usual = [of_range(0, 1), of_range(-1, 1), of_range(0, 255), of_range(-128, 127), of_range(-0.5, 0.5)]
    if channels == {3}:
        usual.append(
            Convention(
                "standardised as ImageNet",
                tuple(1 / s for s in IMAGENET_STD),
                tuple(-m / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
            )
        )
        usual.append(Convention("0..255 less ImageNet's mean, BGR", (255.0,) * 3, tuple(-m for m in CAFFE_MEAN)))
    usual.append(Convention("standardised", (4.0,), (-2.0,), beyond=STANDARDISED_BEYOND))
    is_picture = len(shape) == 3 and shape[-1] == 3
    if not is_picture:
        for spread in np.geomspace(0.01, 1000.0, 21):
            for centre in (-2.0, -1.0, 0.0, 1.0, 2.0):
                scale = float(spread) / 0.22  # natural noise has a standard deviation of about 0.22
                shift = float(centre * spread) - 0.5 * scale
                usual.append(Convention(f"{centre * spread:.3g} ± {spread:.3g}", (scale,), (shift,), bounded=False))
    return usual


def infer_input_range(
    shapes: list[tuple[int, ...]], mismatch: Callable[[list[np.ndarray]], float], seed: int
) -> tuple[Convention, float]:
    """The convention (the same for every input) and the softness of noise under which `mismatch` of a batch is
    least."""
    noise = {softness: noise_of(shapes, softness, seed) for softness in softnesses(shapes[0])}
    options = conventions(shapes)
    misses = [mismatch([convention(u) for u in noise[0.0]]) for convention in options]
    finalists: list[Convention] = []
    for index in np.argsort(misses, kind="stable"):
        if len(finalists) < FINALISTS and not any(alike(options[index], better) for better in finalists):
            finalists.append(options[index])
    pairs = [(convention, softness) for convention in finalists for softness in noise]
    return min(pairs, key=lambda pair: mismatch([pair[0](u) for u in noise[pair[1]]]))


def softnesses(shape: tuple[int, ...]) -> tuple[float, ...]:
    """Widths in pixels of the blurs that are tried; large pictures may be softer."""
    if len(shape) != 3:
        return (0.0,)
    return tuple(blur * max(1.0, min(shape[:2]) / 32) ** 0.5 for blur in BLURS)


def noise_of(shapes: list[tuple[int, ...]], softness: float, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [natural_noise(16, shape, random, softness) for shape in shapes]


def alike(one: Convention, other: Convention) -> bool:
    """Scales within a quarter of each other, shifts within a tenth of the scale."""
    scale = np.array(other.scale)
    near = np.abs(np.log(np.array(one.scale) / scale)) < np.log(1.25)
    return bool(np.all(near) and np.all(np.abs(np.array(one.shift) - np.array(other.shift)) < 0.1 * scale))
