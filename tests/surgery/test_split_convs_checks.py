"""A split that computes something else than what it stands for, or is larger than priced, is caught."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import compiler.surgery.split_convs as split_convs_module
from compiler.decompose.factors import Factors
from compiler.errors import CheckFailed
from compiler.surgery.split_convs import split_convs
from compiler.types import Choice, Inventory
from tests.surgery.cases import Fitted, bias_of, fitted
from tests.surgery.split_networks import CORTEX_M


def broken(factors: Fitted, inventory: Inventory, model: keras.Model, choice: Choice) -> str:
    with pytest.raises(CheckFailed) as caught:
        split_convs(model, factors, {"conv": choice}, inventory, CORTEX_M)
    return str(caught.value)


def test_a_lost_bias_is_caught(one_conv: tuple[keras.Model, Inventory], monkeypatch: pytest.MonkeyPatch) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    whole = split_convs_module.chain
    monkeypatch.setattr(split_convs_module, "chain", lambda site, f, bias, name: whole(site, f, 0 * bias, name))
    assert "layer 'conv', split, equals" in broken(factors, inventory, model, choice)


def test_a_lost_padding_is_caught(one_conv: tuple[keras.Model, Inventory], monkeypatch: pytest.MonkeyPatch) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    monkeypatch.setattr(split_convs_module, "geometry", lambda *a, **k: {})
    assert "has shape" in broken(factors, inventory, model, choice)


def test_not_a_number_is_caught(one_conv: tuple[keras.Model, Inventory]) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    factors["conv"][0].chain[1][1][0, 0, 0, 0] = np.nan
    assert "layer 'conv'" in broken(factors, inventory, model, choice)


def test_more_channels_than_priced_are_caught(one_conv: tuple[keras.Model, Inventory]) -> None:
    model, inventory = one_conv
    choice = Choice("none", (), "filter", None, 2)
    factors = {"conv": (Factors((), np.ones((3, 3, 4, 6), np.float32)), bias_of(inventory.sites[0]))}
    assert "reaches 6 output channels" in broken(factors, inventory, model, choice)
