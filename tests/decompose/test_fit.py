"""The fit of a choice: its shapes, and never worse than a part of it alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.cp import cp, cp_from
from compiler.decompose.fit import DECOMPOSITIONS, fit
from compiler.decompose.metric import Metric, damped
from compiler.sparsity.structures import STRUCTURES
from compiler.types import Choice
from tests.decompose.cases import Shape, covariance, kernel_of, metric_of, relative_loss, seeds

CONV, POINT = (3, 3, 4, 6), (1, 1, 8, 6)
CHAINS = {
    CONV: (Choice("tucker2", (2, 3)), Choice("tucker2", (4, 3)), Choice("tucker4", (2, 3, 3)), Choice("cp", (3,))),
    POINT: (Choice("svd", (2,)),),
}
BRANCHES = (("unstructured", None, 10), ("filter", None, 2), ("channel", None, 2), ("block", (2, 2), 3))
HYBRIDS = [
    (shape, Choice(chain.chain, chain.ranks, *branch))
    for shape, chains in CHAINS.items()
    for chain in chains
    for branch in BRANCHES
]
LONE = [(shape, Choice("none", (), *branch)) for shape in CHAINS for branch in BRANCHES]
ALL = [*((shape, choice) for shape, chains in CHAINS.items() for choice in chains), *LONE, *HYBRIDS]


def kept_groups(sparse: np.ndarray, choice: Choice) -> int:
    """Number of groups with a weight that isn't zero."""
    assert choice.structure is not None
    group_of = STRUCTURES[choice.structure](sparse.shape, choice.block)
    return len(np.unique(group_of[sparse.reshape(group_of.shape) != 0]))


@pytest.mark.parametrize(("shape", "choice"), ALL)
def test_factors_are_what_the_choice_says(shape: Shape, choice: Choice) -> None:
    factors = fit(kernel_of(shape), metric_of(shape), choice)
    assert (factors.chain == ()) == (choice.chain == "none")
    assert (factors.sparse is None) == (choice.structure is None)
    assert factors.reconstruct().shape == shape
    if factors.sparse is not None:
        assert factors.sparse.shape == shape
        assert kept_groups(factors.sparse, choice) == choice.kept
    inner = tuple(factor.shape[3] for _, factor in factors.chain)[:-1]
    if choice.chain == "cp":
        assert [role for role, _ in factors.chain] == ["first", "depthwise", "last"]
        assert [factor.shape for _, factor in factors.chain] == [(1, 1, 4, 3), (3, 3, 3, 1), (1, 1, 3, 6)]
        return
    assert inner == {"tucker2": choice.ranks if choice.ranks[:1] != (4,) else (3,)}.get(choice.chain, choice.ranks)


def test_dense_is_the_kernel_itself() -> None:
    kernel = kernel_of(CONV)
    np.testing.assert_array_equal(fit(kernel, metric_of(CONV), Choice()).reconstruct(), kernel)


@pytest.mark.parametrize(("shape", "choice"), HYBRIDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_both_parts_together_are_no_worse_than_either(shape: Shape, choice: Choice, seed: int) -> None:
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)

    def loss(choice: Choice) -> float:
        return relative_loss(metric, kernel, fit(kernel, metric, choice).reconstruct())

    both = loss(choice)
    assert both <= loss(Choice(choice.chain, choice.ranks))
    assert both <= loss(Choice("none", (), choice.structure, choice.block, choice.kept))


@given(st.sampled_from(HYBRIDS), seeds)
@settings(max_examples=12, deadline=None)
def test_alternating_does_not_lose(case: tuple[Shape, Choice], seed: int) -> None:
    shape, choice = case
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    once, thrice = (
        relative_loss(metric, kernel, fit(kernel, metric, choice, alternations=n).reconstruct()) for n in (1, 3)
    )
    assert thrice <= once + 2e-3


def test_one_alternation_leaves_components_as_a_menu_has_them() -> None:
    kernel, metric, choice = kernel_of(CONV), metric_of(CONV), Choice("cp", (3,))
    quick, careful = (fit(kernel, metric, choice, alternations=n).reconstruct() for n in (1, None))
    np.testing.assert_array_equal(quick, cp(kernel, metric, 3, polished=False).reconstruct())
    np.testing.assert_array_equal(careful, cp(kernel, metric, 3).reconstruct())
    assert not np.array_equal(quick, careful)


def test_alternating_helps() -> None:
    def mean_loss(alternations: int) -> float:
        cases = [(metric_of(shape, 1), kernel_of(shape, 1), choice) for shape, choice in HYBRIDS]
        fits = [(m, k, fit(k, m, choice, alternations=alternations).reconstruct()) for m, k, choice in cases]
        return float(np.mean([relative_loss(*parts) for parts in fits]))

    assert mean_loss(3) < 0.97 * mean_loss(1)


def test_every_decomposition_of_the_contents_is_tried_here() -> None:
    assert {choice.chain for chains in CHAINS.values() for choice in chains} == set(DECOMPOSITIONS)
    assert {structure for structure, _, _ in BRANCHES} == set(STRUCTURES)


# --- what only broken layers have ------------------------------------------------------------------------------


def zero_filters(kernel: np.ndarray) -> np.ndarray:
    kernel = kernel.copy()
    kernel[..., ::2] = 0.0
    return kernel


def degenerate(shape: Shape) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(kernel, Σ, Γ) in float32, Σ and Γ as sampled, before damping."""
    k_h, k_w, c_in, c_out = shape
    d = k_h * k_w * c_in
    kernel, sigma, gamma = kernel_of(shape), covariance(d, 0), covariance(c_out, 1)
    dead = np.diag(np.arange(d) % c_in != 0).astype(float)  # an input channel that is always the same
    cases = {
        "few rows": (kernel, covariance(d, 0, rows=2), covariance(c_out, 1, rows=1)),
        "constant input": (kernel, np.zeros((d, d)), gamma),
        "dead input channel": (kernel, dead @ sigma @ dead, gamma),
        "output reaches nothing": (kernel, sigma, np.zeros((c_out, c_out))),
        "nearly dead": (kernel, 1e-12 * sigma, 1e-12 * gamma),
        "loud": (kernel, 1e8 * sigma, 1e6 * gamma),
        "rounded below zero": (kernel, sigma - 1e-2 * np.eye(d), gamma),
        "zero filters": (zero_filters(kernel), sigma, gamma),
        "zero input channel": (kernel * (np.arange(c_in) > 0)[:, None], sigma, gamma),
        "zero kernel": (0 * kernel, sigma, gamma),
        "rank one": (np.ones(shape), sigma, gamma),
        "tiny kernel": (1e-15 * kernel, sigma, gamma),
    }
    return {name: tuple(part.astype(np.float32) for part in parts) for name, parts in cases.items()}  # type: ignore[misc]


ONE_CHANNEL = (3, 3, 1, 6)
HARD = [
    *((shape, choice) for shape, choice in ALL if choice.structure in (None, "unstructured", "block")),
    (ONE_CHANNEL, Choice("tucker2", (1, 3))),
    (ONE_CHANNEL, Choice("tucker4", (1, 2, 3))),
    (ONE_CHANNEL, Choice("tucker2", (1, 3), "filter", None, 2)),
    ((3, 3, 1, 20), Choice("tucker2", (1, 15))),  # more ranks than the nine taps can fill
    ((1, 3, 8, 1), Choice("tucker2", (5, 1))),
    (ONE_CHANNEL, Choice("cp", (5,))),  # more components than input channels
    ((1, 3, 8, 1), Choice("cp", (20,))),
]


@pytest.mark.parametrize(("shape", "choice"), HARD)
@pytest.mark.parametrize("name", list(degenerate(CONV)))
def test_broken_layers_get_finite_sensible_factors(name: str, shape: Shape, choice: Choice) -> None:
    kernel, sigma, gamma = degenerate(shape)[name]
    metric = Metric(damped(sigma), damped(gamma))
    factors = fit(kernel, metric, choice)
    for factor in (*(factor for _, factor in factors.chain), *((factors.sparse,) if choice.structure else ())):
        assert np.all(np.isfinite(factor))
        assert factor.dtype == np.float32
    assert metric.loss(kernel - factors.reconstruct()) <= metric.loss(kernel) * (1 + 1e-3)


def test_components_go_on_from_where_they_are_told_and_other_fits_begin_anew() -> None:
    kernel, metric = kernel_of(CONV), metric_of(CONV)
    for choice in CHAINS[CONV]:
        begun = fit(kernel_of(CONV, 1), metric_of(CONV, 1), choice)
        found, anew = fit(kernel, metric, choice, start=begun), fit(kernel, metric, choice)
        if choice.chain == "cp":
            np.testing.assert_array_equal(found.reconstruct(), cp_from(kernel, metric, begun).reconstruct())
        assert np.array_equal(found.reconstruct(), anew.reconstruct()) == (choice.chain != "cp")
