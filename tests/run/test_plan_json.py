"""Plans to JSON and back, and what is no plan."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import BadInput
from compiler.run.plan_json import plan_json, read_plan
from compiler.types import SCHEMA_VERSION, Choice, Plan

names = st.text(min_size=1, max_size=8)
pairs = st.dictionaries(names, names, max_size=3).map(lambda d: tuple(d.items()))
choices = st.builds(
    Choice,
    chain=st.sampled_from(["dense", "svd", "tucker2", "tucker4", "cp", "none"]),
    ranks=st.lists(st.integers(1, 512), max_size=3).map(tuple),
    structure=st.sampled_from([None, "unstructured", "filter", "channel", "block"]),
    block=st.sampled_from([None, (4, 4), (1, 2)]),
    kept=st.integers(0, 10**6),
    bits=st.sampled_from([1.3, 2.5, 4, 8]),
)
plans = st.builds(
    Plan,
    choices=st.dictionaries(names, choices, max_size=4).map(lambda d: tuple(d.items())),
    target=names,
    seed=st.integers(0, 2**31),
    model_hash=names,
    settings=pairs,
    versions=pairs,
    calibration_hash=names,
    gates=st.dictionaries(names, st.booleans(), max_size=3).map(lambda d: tuple(d.items())),
    predicted_loss=st.floats(0, 1e6),
)
PLAN = Plan((("conv", Choice("tucker2", (3, 4))), ("logits", Choice())), "mobile", 7, "ab12", gates=(("refit", True),))


@settings(max_examples=60, deadline=None)
@given(plans)
def test_a_plan_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    path = tmp_path_factory.getbasetemp() / "round.plan.json"
    path.write_text(plan_json(plan), encoding="utf-8")
    assert read_plan(path) == plan


def test_carries_the_schema_and_the_graphs_order() -> None:
    content = json.loads(plan_json(PLAN))
    assert content["schema_version"] == SCHEMA_VERSION
    assert [entry["site"] for entry in content["choices"]] == ["conv", "logits"]
    assert content["gates"] == {"refit": True}


def without(key: str) -> dict[str, Any]:
    content = json.loads(plan_json(PLAN))
    del content[key]
    return content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[1, 2]",
        b"{}",
        json.dumps(without("gates")).encode(),
        json.dumps(without("choices") | {"choices": ["conv"]}).encode(),
        json.dumps(without("choices") | {"choices": [{"site": "conv"}]}).encode(),
        json.dumps(without("settings") | {"settings": None}).encode(),
        json.dumps(without("settings") | {"settings": {"block_size": 5}}).encode(),
        json.dumps(without("seed") | {"seed": "seven"}).encode(),
        json.dumps(without("predicted_loss") | {"predicted_loss": None}).encode(),
        json.dumps(without("choices") | {"choices": [{"site": "conv", **asdict(Choice(ranks=("4",)))}]}).encode(),  # type: ignore[arg-type]
    ],
    ids=[
        "empty",
        "text",
        "binary",
        "list",
        "object",
        "no gates",
        "bare names",
        "no choice",
        "no settings",
        "numbers as settings",
        "text as seed",
        "no loss",
        "text as rank",
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.plan.json"
    path.write_bytes(content)
    with pytest.raises(
        BadInput, match=r"--plan 'x.plan.json' is no plan of this compiler \(.+\); give the \.plan\.json"
    ):
        read_plan(path)


def test_a_missing_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--plan 'none.json' is no plan"):
        read_plan(tmp_path / "none.json")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.plan.json"
    path.write_text(json.dumps(without("schema_version") | {"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(BadInput, match=f"has schema {SCHEMA_VERSION + 1}, this version reads {SCHEMA_VERSION}; make"):
        read_plan(path)
