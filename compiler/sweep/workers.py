"""Where the rows of a sweep are done: processes of this machine, or a cluster, all through joblib.

`dask://host:port` is a Dask scheduler (https://distributed.dask.org), `ray://host:port` a Ray cluster
(https://docs.ray.io); their packages are in requirements-extra.txt. The workers need this environment, this repository
and the sweep's folder under the same paths. Both start a task anew whose worker has died.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib

from compiler.errors import BadInput
from compiler.options import Options

Work = Callable[[Options], str]


def spread(work: Work, rows: Iterable[Options], cluster: str | None, workers: int) -> Iterator[str]:
    """What `work` returns for each row, in the order in which they get done."""
    rows = list(rows)
    if cluster is None and workers == 1:
        yield from map(work, rows)
        return
    with backend(cluster, workers):
        pool: Any = joblib.Parallel(return_as="generator_unordered", pre_dispatch="all", batch_size=1)
        yield from pool(joblib.delayed(work)(row) for row in rows)


@contextlib.contextmanager
def backend(cluster: str | None, workers: int) -> Iterator[None]:
    """joblib's backend for `cluster` (None: `workers` processes of this machine). Raises BadInput where it can't be
    had."""
    if cluster is None:
        with joblib.parallel_config(backend="loky", n_jobs=workers):
            yield
        return
    kind, _, address = cluster.partition("://")
    if kind not in ("dask", "ray") or not address:
        raise BadInput(f"--cluster is {cluster!r}; give dask://host:port or ray://host:port.")
    try:
        if kind == "dask":
            from distributed import Client

            with Client(f"tcp://{address}", timeout=20), joblib.parallel_config(backend="dask", n_jobs=-1):
                yield
        else:
            import ray
            from ray.util.joblib import register_ray

            ray.init(cluster)
            register_ray()
            with joblib.parallel_config(backend="ray", n_jobs=-1):
                yield
    except ImportError as error:
        raise BadInput(
            f"--cluster {kind}:// needs the package '{error.name}'; pip install -r requirements-extra.txt."
        ) from None
    except (OSError, TimeoutError) as error:
        raise BadInput(f"--cluster {cluster} can't be reached ({error}); is its scheduler running?") from None
