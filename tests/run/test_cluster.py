"""Clusters: which addresses are any, what is said where one can't be had, and menus that are priced on one."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.decompose.metric import Metric, damped
from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.check_first import check_cluster
from compiler.run.cluster import active, kind_of, on_cluster
from compiler.run.menus import menus
from compiler.solver.candidates import menu_of
from compiler.sweep.rows import key_of_row
from compiler.types import Candidate, ConvSite, Inventory
from tests.run.ray_head import ray_head

SITES = tuple(ConvSite(f"conv{i}", "conv", (3, 3), 4, 4 + 4 * i, positions=16) for i in range(3))


def priced(jobs: int = 1) -> dict[str, tuple[Candidate, ...]]:
    random = np.random.default_rng(0)
    kernels, metrics = {}, {}
    for site in SITES:
        kernels[site.name] = random.normal(size=site.kernel_shape).astype(np.float32)
        inputs = random.normal(size=(200, site.weights // site.c_out)).astype(np.float32)
        feels = random.normal(size=(200, site.c_out)).astype(np.float32)
        metrics[site.name] = Metric(damped(np.cov(inputs.T)), damped(np.cov(feels.T)))
    done: list[None] = []
    found = menus(
        Inventory(SITES), kernels, metrics, TARGETS["mobile"], menu_of("hybrid", "block", (4, 2)),
        jobs=jobs, advance=lambda: done.append(None),
    )  # fmt: skip
    assert len(done) == len(SITES)
    return found


@pytest.fixture
def dask_address() -> Iterator[str]:
    distributed = pytest.importorskip("distributed", reason="needs requirements-extra.txt")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address.replace("tcp", "dask")


def test_menus_of_a_dask_cluster_have_the_same_bits(dask_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = priced()
    with on_cluster(dask_address):
        assert active() == "dask"
        monkeypatch.setattr("compiler.run.menus.candidates", lambda *task: pytest.fail("it was priced here"))
        assert priced() == here
    assert active() is None
    assert joblib.parallel.get_active_backend()[0].__class__.__name__ == "LokyBackend"


def test_menus_of_a_ray_cluster_have_the_same_bits() -> None:
    pytest.importorskip("ray", reason="needs requirements-extra.txt")
    here = priced()
    with tempfile.TemporaryDirectory(prefix="ray") as folder, ray_head(Path(folder)) as address, on_cluster(address):
        assert active() == "ray"
        assert priced() == here
    assert active() is None


@pytest.mark.parametrize("cluster", ["slurm://a:1", "dask://", "ray://head", "10.0.0.5:8786"])
def test_what_is_no_address_is_refused(cluster: str) -> None:
    for refuse in (kind_of, check_cluster):
        with pytest.raises(
            BadInput, match=r"such as dask://10\.0\.0\.5:8786, or of the head of a Ray cluster, such as ray:"
        ):
            refuse(cluster)


@pytest.mark.parametrize(("cluster", "package"), [("dask://a:1", "distributed"), ("ray://a:1", "ray")])
def test_a_package_that_is_missing_is_named(cluster: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    mend = rf"needs the package '{package}'; pip install -r requirements-extra\.txt"
    with pytest.raises(BadInput, match=mend), on_cluster(cluster):
        pass
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=f"needs the package '{package}'"):
        check_cluster(cluster)


def test_nobody_there() -> None:
    pytest.importorskip("distributed", reason="needs requirements-extra.txt")
    with pytest.raises(BadInput, match="can't be reached"), on_cluster("dask://127.0.0.1:9"):
        pass


def test_where_it_is_priced_changes_no_row(tmp_path: Path) -> None:
    row = {"input_path": tmp_path / "net.keras", "output_path": tmp_path / "net.tflite"}
    assert key_of_row(Options(**row)) == key_of_row(Options(**row, cluster="dask://a:1"))
