"""Predicted losses brought to what is measured, one factor a site."""

from __future__ import annotations

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import compiler.run.calibrate_menus as calibrate_module
from compiler.backend.targets import TARGETS
from compiler.datafree.study import Study
from compiler.decompose.fit import fit
from compiler.frontend.read_network import Network
from compiler.frontend.rebuild import rebuild
from compiler.run.calibrate_menus import WIDEST, calibrate_menus, probed
from compiler.surgery.set_kernels import kernel_of, set_kernels
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost
from tests.surgery.cases import read_from_file, study_of_noise

Menus = dict[str, tuple[Candidate, ...]]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="logits")(x))
    return read_from_file(model, tmp_path_factory.mktemp("calibrate"))


@pytest.fixture(scope="module")
def knowledge(network: Network) -> Study:
    return study_of_noise(network, 40, 8, 8, 3)


@pytest.fixture(scope="module")
def menus(network: Network, knowledge: Study) -> Menus:
    """Dense, what is measured, and something smaller."""

    def menu(site: ConvSite, *choices: Choice) -> tuple[Candidate, ...]:
        kernel, _ = kernel_of(network.folded, site.name)
        metric = knowledge.metrics[site.name]
        losses = [metric.loss(kernel - fit(kernel, metric, choice).reconstruct()) for choice in choices]
        cost = TARGETS["mobile"].cost
        return (
            Candidate(DENSE, cost(site, DENSE), 0.0),
            *(Candidate(choice, cost(site, choice), loss) for choice, loss in zip(choices, losses, strict=True)),
        )

    conv, logits = network.inventory.sites
    return {
        conv.name: menu(conv, Choice("tucker2", (2, 2)), Choice("tucker2", (1, 1))),
        logits.name: menu(logits, Choice("svd", (2,)), Choice("svd", (1,))),
    }


def measured_nats(network: Network, knowledge: Study, name: str, choice: Choice) -> float:
    """½ ‖P Δz‖² an input of the logits with one site replaced, its bias corrected for the mean."""
    kernel, bias = kernel_of(network.folded, name)
    fitted = fit(kernel, knowledge.metrics[name], choice, alternations=1).reconstruct()
    bias = bias + knowledge.means[name] @ (kernel - fitted).reshape(len(knowledge.means[name]), -1)
    changed = rebuild(network.logits, {})
    set_kernels(changed, {name: (fitted, bias)})
    x = knowledge.held_out[0]
    change = changed.predict_on_batch(x) - network.logits.predict_on_batch(x)
    change -= change.mean(-1, keepdims=True)
    return 0.5 * float(np.sum(change**2)) / len(x)


def test_the_measured_candidate_predicts_what_was_measured(network: Network, knowledge: Study, menus: Menus) -> None:
    calibrated = calibrate_menus(network, knowledge, menus)
    for name, before in menus.items():
        after = calibrated[name]
        at = before.index(probed(before))  # type: ignore[arg-type]
        assert after[at].predicted_loss == pytest.approx(
            measured_nats(network, knowledge, name, before[at].choice), rel=1e-3
        )
        scales = [new.predicted_loss / old.predicted_loss for old, new in zip(before[1:], after[1:], strict=True)]
        assert scales == pytest.approx([scales[0]] * len(scales))
        assert scales[0] != pytest.approx(1, rel=0.01)
        assert after[0] == before[0]
        assert [(c.choice, c.cost) for c in after] == [(c.choice, c.cost) for c in before]


@pytest.mark.parametrize(("nats", "scale"), [(1e9, WIDEST), (0.0, 1 / WIDEST)])
def test_an_odd_measurement_is_not_believed(
    network: Network, knowledge: Study, menus: Menus, monkeypatch: pytest.MonkeyPatch, nats: float, scale: float
) -> None:
    monkeypatch.setattr(calibrate_module.Divergence, "nats", lambda self, fitted: nats)
    calibrated = calibrate_menus(network, knowledge, menus)
    for name, before in menus.items():
        for old, new in zip(before, calibrated[name], strict=True):
            assert new.predicted_loss == pytest.approx(scale * old.predicted_loss)


def test_a_site_with_nothing_to_measure_stays(network: Network, knowledge: Study, menus: Menus) -> None:
    only_dense = {name: menu[:1] for name, menu in menus.items()}
    steps: list[None] = []
    assert calibrate_menus(network, knowledge, only_dense, lambda: steps.append(None)) == only_dense
    assert len(steps) == 2


def test_the_best_of_at_most_half_the_price_is_measured() -> None:
    def at(weight_bytes: int, loss: float, choice: Choice = Choice("svd", (1,))) -> Candidate:  # noqa: B008
        return Candidate(choice, Cost(weight_bytes), loss)

    dense = at(100, 0.0, DENSE)
    assert probed((dense, at(60, 0.1), at(50, 0.2), at(40, 0.3))) == at(50, 0.2)
    assert probed((dense, at(60, 0.1))) is None
    free = replace(at(40, 0.3), predicted_loss=0.0)
    assert probed((dense, free, at(30, 0.4))) == at(30, 0.4)


@pytest.mark.parametrize(("own_nats", "own_wins"), [(1.9, True), (2.1, False)])
def test_factors_of_sites_stay_only_if_their_plan_is_the_better_one(
    network: Network, knowledge: Study, menus: Menus, monkeypatch: pytest.MonkeyPatch, own_nats: float, own_wins: bool
) -> None:
    """Else all sites are scaled alike, by what the plan without factors measured."""
    answers = iter([(0.5, 2.0), (1.0, own_nats)])
    monkeypatch.setattr(calibrate_module, "tested", lambda *_: next(answers))
    calibrated = calibrate_menus(network, knowledge, menus)
    found = [calibrated[name][1].predicted_loss / before[1].predicted_loss for name, before in menus.items()]
    if own_wins:
        assert found[0] != pytest.approx(found[1], rel=0.01)
    else:
        assert found == pytest.approx([4.0, 4.0])


def test_the_tested_plan_is_the_best_for_half_of_the_bytes(network: Network, knowledge: Study, menus: Menus) -> None:
    judge = calibrate_module.Divergence(network, knowledge.held_out)
    predicted, nats = calibrate_module.tested(menus, network, knowledge, judge, 1)
    dense = sum(menu[0].cost.weight_bytes for menu in menus.values())
    plans = itertools.product(*menus.values())
    within = [plan for plan in plans if sum(c.cost.weight_bytes for c in plan) <= dense / 2]
    best = min(within, key=lambda plan: sum(c.predicted_loss for c in plan))
    assert predicted == pytest.approx(sum(c.predicted_loss for c in best))
    choices = {name: c.choice for name, c in zip(menus, best, strict=True)}
    assert nats == pytest.approx(judge.nats(calibrate_module.fit_all(network, knowledge, choices, 1, 1)))
    assert nats > 0
