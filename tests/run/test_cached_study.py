"""Statistics that are kept: the same bits, other inputs or seeds made anew, a damaged entry too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import compiler.run.cached_study as module
from compiler.datafree.study import Study, divided
from compiler.decompose.metric import Metric
from compiler.decompose.row_covariance import RowCovariance
from compiler.report.progress import Silent
from compiler.run.cache import Cache
from compiler.run.cached_study import cached_study, in_order
from compiler.types import ConvSite, Inventory

SITES = (ConvSite("conv", "conv", (3, 3), 2, 4, positions=16), ConvSite("wide", "dense", (1, 1), 30, 5))
NETWORK: Any = SimpleNamespace(hash="abc", inventory=Inventory(SITES), classifier=True)
INPUTS = (np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32),)

Make = Callable[..., Study]


def made(network: Any, inputs: Any, source: str, seed: int, advance: Any) -> Study:
    """Arrays that lie across memory, and one covariance kept as rows."""
    random = np.random.default_rng(seed)
    sigmas = (random.normal(size=(18, 18)).T, RowCovariance(random.normal(size=(7, 60))[:, ::2], 0.1 + 0.2))
    metrics = {
        site.name: Metric(sigma, random.normal(size=(site.c_out, site.c_out)).astype(np.float32))
        for site, sigma in zip(SITES, sigmas, strict=True)
    }
    means = {site.name: random.normal(size=3) for site in SITES}
    gamma = {site.name: random.normal(size=(site.c_out, site.c_out)).T for site in SITES}
    return Study(*divided(inputs), source, metrics, means, gamma)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    seeds: list[int] = []

    def counted(*args: Any) -> Study:
        seeds.append(args[3])
        return made(*args)

    monkeypatch.setattr(module, "study", counted)
    return seeds


def ask(cache: Cache, network: Any = NETWORK, inputs: Any = INPUTS, source: str = "noise", seed: int = 0) -> Study:
    return cached_study(network, inputs, source, seed, cache, Silent())


def same(a: Study, b: Study) -> None:
    """To the last bit, and lying alike in memory."""

    def arrays(s: Study) -> list[np.ndarray]:
        sigmas = [m.sigma.rows if isinstance(m.sigma, RowCovariance) else m.sigma for m in s.metrics.values()]
        return [*sigmas, *(m.gamma for m in s.metrics.values()), *s.means.values(), *s.gamma.values(), *s.held_out]

    assert list(a.metrics) == list(b.metrics) == [site.name for site in SITES]
    for x, y in zip(arrays(a), arrays(b), strict=True):
        assert (x.dtype, x.shape, x.strides) == (y.dtype, y.shape, y.strides)
        assert x.tobytes() == y.tobytes()
    rows = [s.metrics["wide"].sigma for s in (a, b)]
    assert all(isinstance(r, RowCovariance) for r in rows)
    assert rows[0].level == rows[1].level  # type: ignore[union-attr]


def test_a_second_run_has_the_same_bits(tmp_path: Path, calls: list[int]) -> None:
    first, second = (ask(Cache(tmp_path)) for _ in range(2))
    assert calls == [0]
    same(first, second)
    same(first, in_order(made(NETWORK, INPUTS, "noise", 0, None)))
    assert ask(Cache(tmp_path), source="own inputs").source == "own inputs"
    assert calls == [0]


def test_whatever_it_depends_on_makes_it_anew(tmp_path: Path, calls: list[int]) -> None:
    cache = Cache(tmp_path)
    ask(cache)
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"inputs": (INPUTS[0] + np.float32(1e-6),)},
        {"network": SimpleNamespace(hash="other", inventory=Inventory(SITES), classifier=True)},
        {"network": SimpleNamespace(hash="abc", inventory=Inventory(SITES[::-1]), classifier=True)},
        {"network": SimpleNamespace(hash="abc", inventory=Inventory(SITES), classifier=False)},
    ]
    for number, other in enumerate(others, 2):
        ask(cache, **other)
        assert len(calls) == number
    ask(Cache(tmp_path, enabled=False))
    assert len(calls) == len(others) + 2


def test_a_damaged_entry_is_made_anew(tmp_path: Path, calls: list[int]) -> None:
    first = ask(Cache(tmp_path))
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    same(ask(Cache(tmp_path)), first)
    assert len(calls) == 2
    same(ask(Cache(tmp_path)), first)
    assert len(calls) == 2


def test_what_is_very_large_is_not_kept(tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    for _ in range(2):
        assert replace(ask(Cache(tmp_path)), source="").source == ""
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []
