"""Where the rows of a sweep are done: processes of this machine, or a cluster, all through joblib.

`dask://host:port` is a Dask scheduler (https://distributed.dask.org); its packages are in requirements-extra.txt. The
workers need this environment, this repository and the sweep's folder under the same paths, and one thread each, for
TensorFlow's sake. Dask starts a task anew whose worker has died.
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
    if kind != "dask" or not address:
        raise BadInput(f"--cluster is {cluster!r}; give the address of a Dask scheduler, such as dask://10.0.0.5:8786.")
    try:
        from distributed import Client
    except ImportError:
        raise BadInput("--cluster needs the package 'distributed'; pip install -r requirements-extra.txt.") from None
    try:
        client = Client(f"tcp://{address}", timeout=20)
    except (OSError, TimeoutError) as error:
        raise BadInput(f"--cluster {cluster} can't be reached ({error}); is its scheduler running?") from None
    with client, joblib.parallel_config(backend="dask", n_jobs=-1):
        yield
