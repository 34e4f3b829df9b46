from __future__ import annotations

import numpy as np
import pytest

from compiler.backend.sparsify import sparsify
from compiler.backend.targets.cortex_m import CortexM
from compiler.backend.targets.samples import samples_of
from compiler.backend.targets.tflm import run_tflm, with_metadata
from compiler.errors import CheckFailed
from tests.backend.targets.int8_network import Int8Network, residual_network

pytest.importorskip("xmos_ai_tools", reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)")

INPUTS = np.random.default_rng(0).normal(size=(8, 8, 8, 4)).astype(np.float32)
CORTEX_M = CortexM()


@pytest.mark.parametrize("softmax", [True, False])
def test_equals_the_reference_kernels(softmax: bool) -> None:
    agreement = CORTEX_M.verify(residual_network(softmax=softmax), INPUTS)
    assert agreement.executed
    assert agreement.max_lsb is not None
    assert agreement.max_lsb <= 1  # one FULLY_CONNECTED
    assert agreement.top1 == 1.0


def test_gathered_channels_run() -> None:
    network = Int8Network((8, 8, 8))
    network.gather([0, 2, 3, 7])
    network.conv(8, 3)
    agreement = CORTEX_M.verify(network.tflite(), np.random.default_rng(1).normal(size=(4, 8, 8, 8)))
    assert agreement.max_lsb == 0


def test_per_channel_dense_is_caught() -> None:
    network = Int8Network((8, 8, 4), seed=3)
    network.conv(16, 3)
    network.mean()
    network.dense(10, per_channel=True)
    kernel, bias = network.graph.tensors[-3:-1]
    spread = np.linspace(0.2, 3, 10).astype(np.float32)
    kernel.quantization.scale, bias.quantization.scale = (
        np.asarray(t.quantization.scale) * spread for t in (kernel, bias)
    )
    with pytest.raises(CheckFailed, match=r"output steps away .* per-tensor FULLY_CONNECTED"):
        CORTEX_M.verify(network.tflite(), INPUTS)


def test_what_tflite_micro_lacks_is_one_sentence() -> None:
    sparse = sparsify(residual_network(32, density=0.2))
    with pytest.raises(CheckFailed, match=r"TFLite Micro's host interpreter .* no DENSIFY"):
        CORTEX_M.verify(sparse, INPUTS)


def test_measures_the_arena_without_the_file() -> None:
    tflite = residual_network()
    figures = CORTEX_M.measure(tflite, INPUTS)
    assert figures.flash_bytes == len(tflite)
    assert 3 * 8 * 8 * 16 < figures.arena_bytes < 3 * 8 * 8 * 16 + 6000
    longer = tflite + bytes(1024)
    assert CORTEX_M.measure(longer, INPUTS).arena_bytes == figures.arena_bytes
    assert (figures.arena_label, figures.time_label, figures.time_unit) == ("measured", "estimate", "cycles")


def test_the_host_interpreter_survives_a_file_without_metadata() -> None:
    tflite = residual_network()
    assert with_metadata(tflite) != tflite
    assert with_metadata(with_metadata(tflite)) == with_metadata(tflite)
    outputs, arena = run_tflm(tflite, samples_of(tflite, INPUTS), "host")
    assert outputs[0].shape == (8, 10)
    assert arena > 0
