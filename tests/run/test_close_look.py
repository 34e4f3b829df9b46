from __future__ import annotations

import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric
from compiler.run.close_look import int8_snr_db, parts_of, rounded_factor, said, spectra, why
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost

SITE = ConvSite("conv", "conv", (3, 3), 8, 12, positions=16)
HYBRID = Choice("tucker2", (4, 5), "block", (4, 4), 6)


def test_parts_are_what_the_target_emits() -> None:
    parts = parts_of(TARGETS["mobile"], SITE, HYBRID)
    assert [(p.branch, p.role, p.kernel) for p in parts] == [
        ("chain", "first", (1, 1, 8, 4)),
        ("chain", "core", (3, 3, 4, 5)),
        ("chain", "last", (1, 1, 5, 12)),
        ("sparse", "sparse", (3, 3, 8, 12)),
    ]
    assert sum(p.weight_bytes for p in parts) == TARGETS["mobile"].cost(SITE, HYBRID).weight_bytes
    split = parts_of(TARGETS["mobile"], SITE, Choice("tucker4", (4, 6, 5)))
    assert [p.role for p in split] == ["first", "vertical", "horizontal", "last"]
    assert [p.role for p in parts_of(TARGETS["mobile"], SITE, DENSE)] == ["dense"]


def test_spectra_are_shares_of_the_whitened_energy() -> None:
    """In the plain metric these are the kernel's own squared singular values."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 12))
    into, out = spectra(kernel, Metric(np.eye(72), np.eye(12)))
    assert (len(into), len(out)) == (8, 12)
    values = np.linalg.svd(kernel.reshape(72, 12), compute_uv=False) ** 2
    np.testing.assert_allclose(out, values / values.sum(), rtol=0.01)
    deaf = np.diag([1.0, *[1e-9] * 11])  # an output that feels one channel alone
    _, out = spectra(kernel, Metric(np.eye(72), deaf))
    assert out[0] == pytest.approx(1, abs=1e-6)


def test_int8_adds_the_noise_of_its_steps() -> None:
    kernel = np.random.default_rng(0).uniform(-1, 1, (3, 3, 8, 12))
    # uniform in ±1: signal ⅓, steps of 1/127 with error ±½ step: 10·log₁₀(⅓ · 12 · 127²)
    assert int8_snr_db(Factors((("core", kernel),))) == pytest.approx(10 * np.log10(4 * 127**2), abs=0.6)
    spread = kernel * np.geomspace(1, 1000, 12)
    by_channel, by_tensor = (int8_snr_db(Factors((("core", spread),)), per_tensor) for per_tensor in (False, True))
    assert by_channel == pytest.approx(48, abs=1)
    assert by_tensor is not None
    assert by_tensor < by_channel  # type: ignore[operator]
    assert int8_snr_db(Factors((("core", np.ones((1, 1, 2, 2))),))) is None


def test_a_reason_names_the_neighbours_and_their_rates() -> None:
    entries = tuple(
        Candidate(choice, Cost(price, 2 * price, 7), loss)
        for choice, price, loss in (
            (DENSE, 900, 0.0),
            (Choice("tucker2", (6, 6)), 700, 0.1),
            (HYBRID, 500, 0.3),
            (Choice("svd", (2,)), 400, 0.35),
            (Choice("svd", (1,)), 100, 3.0),
        )
    )
    text = why(entries, HYBRID, "params")
    assert text is not None
    assert "Svd 2 would save 100 B and lose 0.05 nats more" in text
    assert "tucker2 6×6 would cost 200 B and win 0.2 nats back" in text
    assert "would save 200 B" in (why(entries, HYBRID, "bytes") or "")
    assert (why(entries, Choice("svd", (1,)), "params") or "").startswith("Nothing smaller is on its menu")
    assert why(entries, Choice("svd", (7,)), "params") is None


def test_choices_in_words() -> None:
    assert said(HYBRID) == "tucker2 4×5 + 6 blocks of 4×4"
    assert said(Choice("none", (), "unstructured", None, 1234)) == "1,234 weights"
    assert said(DENSE) == "leaving it whole"


def test_a_depthwise_factor_has_a_scale_for_each_channel() -> None:
    """Filters over four decades: one scale for all would leave the faint ones no step."""
    sizes = np.geomspace(1, 1e-4, 16)[:, None]
    factor = np.random.default_rng(0).normal(size=(3, 3, 16, 1)) * sizes
    found = rounded_factor("depthwise", factor.astype(np.float32), False)
    assert found.shape == factor.shape
    assert np.all(np.abs(found - factor).max((0, 1)) <= np.abs(factor).max((0, 1)) / 250)
