"""What was found out about a network from its inputs, kept: a second budget for the same network starts at the menus.

Statistics are kept as they are, float for float. Those of networks with very wide layers are not: they take hundreds of
megabytes, and the cache is for many networks.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from compiler.datafree.study import Study, divided, study
from compiler.decompose.metric import Metric
from compiler.decompose.row_covariance import RowCovariance
from compiler.frontend.read_network import Network
from compiler.report.progress import Progress
from compiler.run.cache import Cache, key_of

STUDY_ROOMS = ("datafree", "decompose", "frontend", "tflite")  # whose source decides what a study finds
MOST_BYTES = 256_000_000  # of one entry


def cached_study(
    network: Network, inputs: Sequence[np.ndarray], source: str, seed: int, cache: Cache, progress: Progress
) -> Study:
    """`study` of the network on `inputs` (one array (n, …) per model input), made where it is not stored."""
    teaching, held_out = divided(inputs)
    empty = Study(teaching, held_out, source, {}, {}, {})
    key = key_of(
        "study", network.hash, network.inventory, network.classifier, empty.calibration_hash, seed, rooms=STUDY_ROOMS
    )
    stored = cache.get(key)
    if stored is not None:
        return read_study(stored, empty, [site.name for site in network.inventory.sites])
    progress.stage("Studying what layers see and what the output feels", total=2)
    made = in_order(study(network, inputs, source, seed, progress.advance))
    if size_of(made) <= MOST_BYTES:
        cache.put(key, study_bytes(made))
    return made


def in_order(found: Study) -> Study:
    """The same numbers in arrays that lie as stored ones do: products over another layout differ in their last bits."""

    def sigma_of(sigma: np.ndarray | RowCovariance) -> np.ndarray | RowCovariance:
        if isinstance(sigma, RowCovariance):
            return RowCovariance(np.ascontiguousarray(sigma.rows), float(sigma.level))
        return np.ascontiguousarray(sigma)

    return Study(
        found.inputs,
        found.held_out,
        found.source,
        {name: Metric(sigma_of(m.sigma), np.ascontiguousarray(m.gamma)) for name, m in found.metrics.items()},
        {name: np.ascontiguousarray(mean) for name, mean in found.means.items()},
        {name: np.ascontiguousarray(gamma) for name, gamma in found.gamma.items()},
    )


def study_bytes(found: Study) -> bytes:
    """The statistics without the inputs; sites by number, in the order of `metrics`."""
    arrays: dict[str, np.ndarray] = {}
    for i, (name, metric) in enumerate(found.metrics.items()):
        if isinstance(metric.sigma, RowCovariance):
            arrays |= {f"rows{i}": metric.sigma.rows, f"level{i}": np.array(metric.sigma.level)}
        else:
            arrays[f"sigma{i}"] = metric.sigma
        arrays |= {f"damped{i}": metric.gamma, f"mean{i}": found.means[name], f"gamma{i}": found.gamma[name]}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read_study(content: bytes, empty: Study, names: Sequence[str]) -> Study:
    """What `study_bytes` wrote, with the inputs of `empty`; `names` of the sites in their order."""
    metrics, means, gamma = {}, {}, {}
    with np.load(io.BytesIO(content)) as entry:
        for i, name in enumerate(names):
            sigma: np.ndarray | RowCovariance
            if f"rows{i}" in entry:
                sigma = RowCovariance(entry[f"rows{i}"], float(entry[f"level{i}"]))
            else:
                sigma = entry[f"sigma{i}"]
            metrics[name] = Metric(sigma, entry[f"damped{i}"])
            means[name], gamma[name] = entry[f"mean{i}"], entry[f"gamma{i}"]
    return Study(empty.inputs, empty.held_out, empty.source, metrics, means, gamma)


def size_of(found: Study) -> int:
    """Bytes of the statistics."""
    sigmas = [m.sigma.rows if isinstance(m.sigma, RowCovariance) else m.sigma for m in found.metrics.values()]
    others = [*(m.gamma for m in found.metrics.values()), *found.means.values(), *found.gamma.values()]
    return sum(array.nbytes for array in (*sigmas, *others))
