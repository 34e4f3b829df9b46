"""Where the rows of a sweep are done: processes of this machine, or a cluster (`compiler.run.cluster`).

Workers need the sweep's folder, too, under the same path, and one thread each, for TensorFlow's sake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib

from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.cluster import kind_of, on_cluster

Work = Callable[[Options], str]
TRIES = 5  # of a Ray cluster whose workers die


def spread(work: Work, rows: Iterable[Options], cluster: str | None, workers: int) -> Iterator[str]:
    """What `work` returns for each row, in the order in which they get done; Ray has all of them at the end.

    A row that was done when a worker died is not done again: `work` looks for its record.
    """
    rows = list(rows)
    if cluster is None and workers == 1:
        yield from map(work, rows)
        return
    if cluster is None:
        pool: Any = joblib.Parallel(
            n_jobs=workers, backend="loky", return_as="generator_unordered", pre_dispatch="all", batch_size=1
        )
        yield from pool(joblib.delayed(work)(row) for row in rows)
        return
    with on_cluster(cluster):
        if kind_of(cluster) == "ray":
            yield from spread_on_ray(work, rows, cluster)
            return
        pool = joblib.Parallel(return_as="generator_unordered", pre_dispatch="all", batch_size=1)
        yield from pool(joblib.delayed(work)(row) for row in rows)


def spread_on_ray(work: Work, rows: list[Options], cluster: str) -> list[str]:
    """All rows, begun again with what is left where a worker has died. Raises BadInput where they keep dying."""
    from ray.exceptions import RayError

    for _ in range(TRIES):
        try:
            return joblib.Parallel(pre_dispatch="all", batch_size=1)(joblib.delayed(work)(row) for row in rows)
        except RayError:
            continue
    raise BadInput(
        f"workers of --cluster {cluster} died {TRIES} times; see Ray's log, then start the same command again, which "
        "does the rows that are left."
    )
