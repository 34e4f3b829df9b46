"""The gates of a plan: judged once, taken as they were afterwards, and components fitted once and then moved."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.study import Study
from compiler.decompose.factors import Factors
from compiler.decompose.fit import fit
from compiler.decompose.metric import Metric
from compiler.frontend.read_network import Network
from compiler.surgery import refit as refit_module
from compiler.surgery.realise import Divergence, Gates, Realised, fit_all, realise
from compiler.surgery.refit import Fitted
from compiler.types import DENSE, Choice
from tests.surgery.cases import read_from_file, study_of_noise

CHOICES = {
    "conv0": Choice("tucker2", (2, 4)),
    "conv1": Choice("cp", (7,)),
    "conv2": Choice("none", (), "channel", None, 9),
    "logits": DENSE,
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    x = inputs = keras.Input((8, 8, 4))
    for index in range(3):
        x = layers.Conv2D(12, 3, padding="same", activation="relu", name=f"conv{index}")(x)
    outputs = layers.Dense(5, activation="softmax", name="logits")(layers.GlobalAveragePooling2D()(x))
    return read_from_file(keras.Model(inputs, outputs), tmp_path_factory.mktemp("realise"))


@pytest.fixture(scope="module")
def knowledge(network: Network) -> Study:
    return study_of_noise(network, 160, 8, 8, 4)


@pytest.fixture(scope="module")
def plain(network: Network, knowledge: Study) -> Fitted:
    return fit_all(network, knowledge, CHOICES, 1)


def realised(network: Network, knowledge: Study, decided: Gates | None = None) -> Realised:
    return realise(network, knowledge, CHOICES, seed=0, jobs=1, decided=decided)


def same(one: Fitted, other: Fitted) -> bool:
    return all(
        np.allclose(factors.reconstruct(), other[name][0].reconstruct(), atol=1e-5)
        and np.allclose(bias, other[name][1], atol=1e-5)
        for name, (factors, bias) in one.items()
    )


def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every refitted kernel is far too large."""

    def loud(kernel: np.ndarray, metric: Metric, choice: Choice, **_: object) -> object:
        return fit(30 * kernel, metric, DENSE)

    monkeypatch.setattr(refit_module, "fit", loud)


def test_a_refit_that_helps_is_kept(network: Network, knowledge: Study, plain: Fitted) -> None:
    found = realised(network, knowledge)
    assert dict(found.gates) == {"refit": True}
    judge = Divergence(network, knowledge.held_out)
    assert found.divergence == pytest.approx(judge(found.fitted), rel=1e-3)  # equalising is exact
    assert found.divergence < judge(plain)
    assert not same(found.fitted, plain)


def test_a_refit_that_harms_is_not(
    network: Network, knowledge: Study, plain: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch)
    found = realised(network, knowledge)
    assert dict(found.gates) == {"refit": False}
    assert same(found.fitted, plain)
    assert found.divergence == pytest.approx(Divergence(network, knowledge.held_out)(plain), rel=1e-6)


def test_a_decision_that_was_made_is_not_judged_again(
    network: Network, knowledge: Study, plain: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = realised(network, knowledge, (("refit", False),))
    assert dict(without.gates) == {"refit": False}
    assert same(without.fitted, plain)
    spoil(monkeypatch)
    harmed = realised(network, knowledge, (("refit", True),))
    assert dict(harmed.gates) == {"refit": True}
    assert not same(harmed.fitted, plain)


def test_a_replay_has_the_same_factors(network: Network, knowledge: Study) -> None:
    first = realised(network, knowledge)
    again = realised(network, knowledge, first.gates)
    for name, (factors, bias) in first.fitted.items():
        np.testing.assert_array_equal(factors.reconstruct(), again.fitted[name][0].reconstruct())
        np.testing.assert_array_equal(bias, again.fitted[name][1])


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (None, [["Fitting 3 layers", 4, 4], ["Refitting in order", 4, 4]]),
        ((("refit", False),), [["Fitting 3 layers", 4, 4]]),
        ((("refit", True),), [["Fitting 3 layers", 1, 1], ["Refitting in order", 4, 4]]),  # of components alone
    ],
)
def test_every_step_is_told(
    network: Network, knowledge: Study, decided: Gates | None, expected: list[list[object]]
) -> None:
    told: list[list[object]] = []  # title, steps that were announced and those that came

    def advance() -> None:
        told[-1][2] += 1  # type: ignore[operator]

    realise(network, knowledge, CHOICES, seed=0, jobs=1, decided=decided,
            stage=lambda title, steps: told.append([title, steps, 0]), advance=advance)  # fmt: skip
    assert told == expected


@pytest.mark.parametrize("decided", [None, (("refit", True),)])
def test_the_refit_goes_on_from_the_fit_of_each_site(
    network: Network, knowledge: Study, plain: Fitted, decided: Gates | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is decided, of those alone that can."""
    starts: list[Factors | None] = []

    def noted(kernel: np.ndarray, metric: Metric, choice: Choice, *, start: Factors | None) -> Factors:
        starts.append(start)
        return fit(kernel, metric, choice)

    monkeypatch.setattr(refit_module, "fit", noted)
    realised(network, knowledge, decided)
    for (name, choice), start in zip(CHOICES.items(), starts, strict=True):
        assert (start is None) == (decided is not None and choice.chain != "cp")
        if start is not None:
            np.testing.assert_allclose(start.reconstruct(), plain[name][0].reconstruct(), atol=1e-5)
