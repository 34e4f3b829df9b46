from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.backend.targets.ethos_u import EthosU, entropy
from compiler.errors import BadInput, CheckFailed
from compiler.types import DENSE, Choice, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network

ETHOS_U = EthosU()
INPUTS = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype(np.float32)


def test_vela_takes_every_operator_and_nothing_is_run() -> None:
    agreement = ETHOS_U.verify(residual_network(), INPUTS)
    assert not agreement.executed
    assert agreement.max_lsb is None


def test_figures_are_velas_and_labelled_estimates(tmp_path: Path) -> None:
    tflite = residual_network()
    figures = ETHOS_U.measure(tflite, INPUTS)
    assert figures.flash_bytes == len(ETHOS_U.compile(tflite, tmp_path))
    assert figures.weight_bytes == ETHOS_U.stored(tflite).weight_bytes < figures.flash_bytes
    assert figures.arena_bytes >= 3 * 8 * 8 * 16
    assert figures.time > 0
    assert figures.time_label == figures.arena_label == "estimate"
    assert dict(figures.extra)["operators_on_cpu"] == 0


def test_another_accelerator_is_another_object() -> None:
    small, usual, large = (
        EthosU(accelerator=name).measure(residual_network(), INPUTS)
        for name in ("ethos-u55-32", "ethos-u55-128", "ethos-u65-512")
    )
    assert small.time > 1.5 * usual.time > 1.5 * large.time
    assert large.weight_bytes > 0
    with pytest.raises(BadInput, match=r"ethos-u99-1.*ethos-u55-128"):
        EthosU(accelerator="ethos-u99-1")


def test_vela_keeps_to_the_sram_that_it_is_told_of() -> None:
    tflite = residual_network(24)
    free = ETHOS_U.measure(tflite, INPUTS)
    told = ETHOS_U.within(free.arena_bytes - 1)
    confined = told.measure(tflite, INPUTS)
    assert confined.arena_bytes < free.arena_bytes
    assert dict(confined.extra)["vela_options"] == f"--arena-cache-size {free.arena_bytes - 1}"
    assert "vela_options" not in dict(free.extra)
    assert ETHOS_U.within(0).measure(tflite, INPUTS).arena_bytes <= confined.arena_bytes


def test_an_operator_left_to_the_cpu_fails_by_name() -> None:
    network = Int8Network((8, 8, 4))
    network.gather([0, 2])
    network.conv(8, 3)
    with pytest.raises(CheckFailed, match=r"1 operators .* CPU \(GATHER\)"):
        ETHOS_U.verify(network.tflite(), INPUTS)


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2, 0.05])
def test_coded_weights_are_priced_within_a_tenth(density: float) -> None:
    network = Int8Network((8, 8, 32), seed=2)
    network.conv(48, 3, density=density)
    kernel = np.asarray(network.model.buffers[network.graph.tensors[1].buffer].data).view(np.int8)
    site = ConvSite("conv", "conv", (3, 3), 32, 48, positions=64)
    choice = DENSE if density == 1 else Choice("none", structure="unstructured", kept=int(np.count_nonzero(kernel)))
    assert ETHOS_U.cost(site, choice).weight_bytes == pytest.approx(
        ETHOS_U.stored(network.tflite()).weight_bytes, rel=0.1
    )


def test_entropy_is_a_bit_for_a_fair_coin() -> None:
    assert entropy(0.5) == 1
    assert entropy(0.0) == entropy(1.0) == 0
