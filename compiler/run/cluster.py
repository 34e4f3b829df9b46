"""Where work goes that can be spread: processes of this machine, or a cluster, all through joblib.

    dask://host:port   a Dask scheduler (https://distributed.dask.org); it starts a task anew whose worker has died
    ray://host:port    the head of a Ray cluster that this machine is a node of (https://docs.ray.io); joblib gives up
                       where a worker dies, so whoever spreads work begins again with what is left

Their packages are in requirements-extra.txt. Workers need this environment and this repository under the same paths.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

import joblib

from compiler.errors import BadInput

KINDS = ("dask", "ray")
ACTIVE: ContextVar[str | None] = ContextVar("ACTIVE", default=None)


def kind_of(cluster: str) -> str:
    """ "dask" or "ray". Raises BadInput for what is no address of either."""
    kind, _, address = cluster.partition("://")
    if kind not in KINDS or ":" not in address:
        raise BadInput(
            f"--cluster is {cluster!r}; give the address of a Dask scheduler, such as dask://10.0.0.5:8786, or of the "
            "head of a Ray cluster, such as ray://10.0.0.5:6379."
        )
    return kind


def active() -> str | None:
    """The kind of the cluster that work goes to in this context; None: this machine."""
    return ACTIVE.get()


@contextlib.contextmanager
def on_cluster(cluster: str | None) -> Iterator[None]:
    """joblib's backend of `cluster` in this context; None changes nothing. Raises BadInput where it can't be had."""
    if cluster is None:
        yield
        return
    kind = kind_of(cluster)
    with dask(cluster) if kind == "dask" else ray(cluster):
        token = ACTIVE.set(kind)
        try:
            yield
        finally:
            ACTIVE.reset(token)


@contextlib.contextmanager
def dask(cluster: str) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError:
        raise lacking("distributed") from None
    try:
        client = Client(cluster.replace("dask://", "tcp://"), timeout=20)
    except (OSError, TimeoutError) as error:
        raise BadInput(f"--cluster {cluster} can't be reached ({error}); is its scheduler running?") from None
    with client, joblib.parallel_config(backend="dask", n_jobs=-1):
        yield


@contextlib.contextmanager
def ray(cluster: str) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise lacking("ray") from None
    try:
        ray.init(cluster.removeprefix("ray://"), log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, TimeoutError) as error:
        raise BadInput(f"--cluster {cluster} can't be reached ({first_line(error)}); is its head running?") from None
    register_ray()
    try:
        with joblib.parallel_config(backend="ray", n_jobs=-1):
            yield
    finally:
        ray.shutdown()


def lacking(package: str) -> BadInput:
    return BadInput(f"--cluster needs the package '{package}'; pip install -r requirements-extra.txt.")


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
