from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.backend.sparsify import sparsify
from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets import tool, xcore
from compiler.backend.targets.agreement import Agreement
from compiler.backend.targets.xcore import XCore
from compiler.errors import BadInput, CheckFailed
from compiler.types import DENSE, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network

XCORE = XCore()
INPUTS = np.random.default_rng(0).normal(size=(8, 8, 8, 4)).astype(np.float32)
needs_tools = pytest.mark.skipif(
    importlib.util.find_spec("xmos_ai_tools") is None,
    reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)",
)


@needs_tools
@pytest.mark.parametrize(("c_in", "c_out", "size"), [(16, 16, 3), (24, 20, 3), (3, 12, 3), (18, 64, 1), (13, 10, 3)])
def test_kernels_are_priced_byte_for_byte(c_in: int, c_out: int, size: int) -> None:
    network = Int8Network((8, 8, c_in))
    network.conv(c_out, size)
    site = ConvSite("conv", "conv", (size, size), c_in, c_out, positions=64)
    assert XCORE.stored(network.tflite()).weight_bytes == XCORE.cost(site, DENSE).weight_bytes


@needs_tools
def test_dense_layers_are_priced_byte_for_byte() -> None:
    network = Int8Network((4, 4, 60))
    network.mean()
    network.dense(10)
    site = ConvSite("fc", "dense", (1, 1), 60, 10)
    assert XCORE.stored(network.tflite()).weight_bytes == XCORE.cost(site, DENSE).weight_bytes


@needs_tools
def test_compiles_measures_and_leaves_its_sources(tmp_path: Path) -> None:
    tflite = residual_network()
    artefact = XCORE.compile(tflite, tmp_path)
    assert {"network_xcore.tflite.cpp", "network_xcore.tflite.h"} <= {f.name for f in tmp_path.iterdir()}
    figures = XCORE.measure(tflite, INPUTS)
    assert figures.flash_bytes == len(artefact)
    assert figures.weight_bytes == stored_bytes(artefact).weight_bytes
    assert figures.arena_bytes > 3 * 8 * 8 * 16
    assert dict(figures.extra)["unoptimised_operators"] == 0


def test_brackets_in_a_name_are_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    def optimise(tflite: bytes, workdir: Path, *, name: str) -> None:
        for ending in ("", ".cpp", ".h"):
            (workdir / f"{name}_xcore.tflite{ending}").write_bytes(tflite)

    monkeypatch.setattr(xcore, "optimise", optimise)
    names = [f"net[1]_xcore.tflite{ending}" for ending in ("", ".cpp", ".h")]
    assert XCORE.files(b"TFL3", "net[1]") == dict.fromkeys(names, b"TFL3")


@needs_tools
def test_runs_on_its_interpreter_near_the_reference_kernels() -> None:
    agreement = XCORE.verify(residual_network(), INPUTS)
    assert agreement.executed
    assert agreement.max_lsb is not None
    assert agreement.max_lsb <= 4
    assert agreement.snr_db is None or agreement.snr_db > 15


@needs_tools
def test_a_result_further_off_than_the_original_fails() -> None:
    exact = Agreement("xcore", True, 8, 0, 1.0, 99.0)
    with pytest.raises(CheckFailed, match=r"dB against LiteRT's reference kernels, the original with 99\.0 dB"):
        XCORE.verify(residual_network(), INPUTS, exact)


def test_top1_counts_too() -> None:
    original = Agreement("xcore", True, 100, 3, 0.99, 30.0)
    with pytest.raises(CheckFailed, match=r"agrees .* on 90\.0%"):
        Agreement("xcore", True, 100, 3, 0.90, 30.0).require_no_worse_than(original)
    Agreement("xcore", True, 100, 3, 0.98, 28.0).require_no_worse_than(original)


def test_twice_as_many_roundings_may_make_twice_the_noise() -> None:
    original = Agreement("xcore", True, 100, 3, 0.99, 30.0, rounded=10)
    twice = Agreement("xcore", True, 100, 3, 0.99, 24.5, rounded=20)
    twice.require_no_worse_than(original)
    with pytest.raises(CheckFailed, match=r"24\.5 dB .* the original with 30\.0 dB"):
        replace(twice, rounded=15).require_no_worse_than(original)


@needs_tools
def test_a_sparse_file_is_rejected_in_one_sentence() -> None:
    with pytest.raises(CheckFailed, match="xcore-opt rejects the file: ") as caught:
        XCORE.measure(sparsify(residual_network(32, density=0.2)), INPUTS)
    assert "\n" not in str(caught.value)


def test_without_the_tools_the_message_names_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tool.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"Python 3\.13 has no wheel .* Python 3\.11 or 3\.12"):
        XCORE.compile(b"", tmp_path)


def test_the_fast_grid_fills_the_vector_unit() -> None:
    assert XCORE.rank_grid("r_in", 64, fast=True) == 32
    assert XCORE.rank_grid("r_in", 32, fast=True) == 16
    assert XCORE.rank_grid("r_in", 16, fast=True) == XCORE.rank_grid("r_in", 64) == 4
