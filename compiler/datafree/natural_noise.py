"""Pictures of nothing: dead leaves and pink noise, whose edges, scales and spectra are those of photographs.

A dead-leaves image is a pile of discs whose radii r follow r⁻³, which makes it scale invariant as natural images
are (Lee, Mumford & Huang, "Occlusion models for natural images", 2001; Baradad et al., "Learning to see by looking
at noise", 2021). It is where the synthetic inputs start.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

DISCS = 60


def natural_noise(n: int, shape: tuple[int, ...], random: np.random.Generator, softness: float = 0.0) -> np.ndarray:
    """n arrays of `shape` in 0..1, float32. (H, W, C) with H and W of 8 and more: half dead leaves, half mixtures
    with pink noise, blurred by a Gaussian of `softness` pixels; anything else: smooth noise along its axes."""
    if len(shape) != 3 or min(shape[:2]) < 8:
        return smooth_noise(n, shape, random)
    leaves = dead_leaves(n, shape, random)
    share = random.uniform(0.0, 0.6, (n, 1, 1, 1)) * (np.arange(n) % 2).reshape(-1, 1, 1, 1)
    mixed = (1 - share) * leaves + share * smooth_noise(n, shape, random)
    if softness:
        mixed = gaussian_filter(mixed, (0.0, softness, softness, 0.0))
    return np.clip(mixed, 0.0, 1.0).astype(np.float32)


def dead_leaves(n: int, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Discs of random colour over discs, until most of the plane is covered."""
    height, width, channels = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    side = float(max(height, width))
    smallest, largest = max(1.0, 0.03 * side), 0.6 * side
    images = np.empty((n, *shape), np.float32)
    for image in images:
        # Colours of one picture share a tint: photographs' channels are strongly correlated.
        tint, spread = random.uniform(0.2, 0.8, channels), random.uniform(0.05, 0.35)
        image[:] = np.clip(tint, 0, 1)
        for _ in range(DISCS):
            u = random.uniform()
            radius = 1.0 / np.sqrt((1 - u) / smallest**2 + u / largest**2)
            y, x = random.uniform(0, height), random.uniform(0, width)
            grey = random.normal(0.0, spread)
            colour = np.clip(tint + grey + random.normal(0.0, 0.35 * spread, channels), 0, 1)
            disc = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            image[disc] = colour
    return images


def smooth_noise(n: int, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Noise with a 1/f amplitude spectrum along all axes but the last, scaled to about 0..1."""
    axes = tuple(range(1, len(shape))) if len(shape) > 1 else ()
    white = random.standard_normal((n, *shape))
    if axes:
        spectrum = np.fft.fftn(white, axes=axes)
        frequency = np.zeros(shape[:-1])
        for axis, size in enumerate(shape[:-1]):
            f = np.abs(np.fft.fftfreq(size)) * size
            frequency = frequency + f.reshape([-1 if a == axis else 1 for a in range(len(shape) - 1)]) ** 2
        spectrum /= np.maximum(np.sqrt(frequency), 1.0)[None, ..., None]
        white = np.fft.ifftn(spectrum, axes=axes).real
    white /= white.std() + 1e-12
    return (0.5 + 0.22 * white).astype(np.float32)
