"""Which attempt is kept, which plans are carried out, and what is refused before any work is done."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.backend.targets import TARGETS
from compiler.errors import BadInput, UnsupportedLayer
from compiler.run.search import carry_out, menus_key, predicted, refuse_blocks
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost, Inventory, Plan

SITES = (ConvSite("conv", "conv", (3, 3), 8, 12), ConvSite("logits", "dense", (1, 1), 12, 10))
PLAN = Plan((("conv", Choice("tucker2", (4, 4))), ("logits", DENSE)), "mobile", 0, "ab12", calibration_hash="cd34")


def replay(plan: Plan, *, calibration: str = "cd34", offered: Any = None) -> Any:
    """`carry_out` in a session that says what it was asked to build."""
    built = SimpleNamespace(emitted=SimpleNamespace(tflite=b"file"))
    asked: list[Any] = []

    def build(*arguments: Any) -> Any:
        asked.append(arguments)
        return built

    session: Any = SimpleNamespace(
        options=SimpleNamespace(target="mobile", io="int8", seed=0),
        network=SimpleNamespace(hash="ab12", inventory=Inventory(SITES), classifier=True),
        target=TARGETS["mobile"],
        knowledge=SimpleNamespace(calibration_hash=calibration),
        build=build,
        measure=lambda tflite, part: (tflite, part),
    )
    return carry_out(session, plan, offered, "--plan 'p.json'"), asked


def test_a_plan_is_built_as_it_stands() -> None:
    plan = replace(PLAN, gates=(("refit", False),), predicted_loss=0.25)
    found, asked = replay(plan)
    assert asked == [(plan.choices, (), 0.25, (("refit", False),))]
    assert found.evidence == (b"file", "report")
    assert found.notes == ()


def test_a_plan_in_another_order_is_built_in_the_networks() -> None:
    menus: Any = {
        "conv": (Candidate(PLAN.choice("conv"), Cost(), 0.5),),
        "logits": (Candidate(DENSE, Cost(), 0.0),),
    }
    _, asked = replay(replace(PLAN, choices=PLAN.choices[::-1]), offered=menus)
    assert asked[0][:2] == (PLAN.choices, (0.5, 0.0))


def test_a_plan_that_was_only_solved_leaves_its_gates_to_be_judged() -> None:
    _, asked = replay(PLAN)
    assert asked == [(PLAN.choices, (), 0.0, None)]


def test_menus_say_what_a_plan_is_predicted_to_lose() -> None:
    menus: Any = {
        "conv": (Candidate(DENSE, Cost(), 0.0), Candidate(PLAN.choice("conv"), Cost(), 0.5)),
        "logits": (Candidate(DENSE, Cost(), 0.0),),
    }
    _, asked = replay(PLAN, offered=menus)
    assert asked[0][1] == (0.5, 0.0)
    assert predicted(PLAN, {"conv": menus["conv"], "logits": ()}) == ()


def test_a_network_that_was_tuned_afterwards_is_owned_up_to() -> None:
    found, _ = replay(replace(PLAN, gates=(("refit", True), ("finetune", True))))
    assert len(found.notes) == 1
    assert "fine-tuned" in found.notes[0]


def test_other_calibration_inputs_are_owned_up_to() -> None:
    found, _ = replay(PLAN, calibration="other")
    assert found.notes == ("calibration inputs differ from the plan's, so bytes will differ too",)


@pytest.mark.parametrize(("answers", "notes"), [("True", 0), ("False", 1)])
def test_what_labels_told_is_owned_up_to(answers: str, notes: int) -> None:
    found, _ = replay(replace(PLAN, settings=(("classifier", answers),)))
    assert len(found.notes) == notes
    assert all("give that --data again" in note for note in found.notes)


@pytest.mark.parametrize(
    ("plan", "error", "sentence"),
    [
        (replace(PLAN, model_hash="00"), BadInput, r"--plan 'p.json' was made for another network; give that one"),
        (replace(PLAN, target="xcore"), BadInput, r"--plan 'p.json' is for target xcore; give that target"),
        (replace(PLAN, choices=PLAN.choices[:1]), BadInput, r"'p.json' names other layers .*; give the same --exclude"),
        (
            replace(PLAN, choices=(*PLAN.choices, ("conv", DENSE))),
            BadInput,
            r"'p.json' names layer 'conv' twice; give the plan as a run has written it",
        ),
        (
            replace(PLAN, settings=(("io", "uint8"),)),
            BadInput,
            r"'p.json' was made with io uint8 and seed 0, not with io int8 and seed 0; give those of the plan",
        ),
        (replace(PLAN, seed=5), BadInput, r"was made with io int8 and seed 5, not with io int8 and seed 0; give"),
        (
            replace(PLAN, choices=(("conv", Choice("tucker2", (99, 99))), PLAN.choices[1])),
            BadInput,
            r"'p.json' asks for tucker2 of ranks 99,99 at layer 'conv'",
        ),
        (
            replace(PLAN, choices=(PLAN.choices[0], ("logits", Choice("none", (), "unstructured", None, 9)))),
            UnsupportedLayer,
            r"target mobile: LiteRT's XNNPACK does not load DENSIFY .*'logits' is Dense and asks for unstructured",
        ),
    ],
    ids=["network", "target", "layers", "twice", "io", "seed", "ranks", "choice"],
)
def test_a_plan_that_does_not_fit_is_refused(plan: Plan, error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        replay(plan)


@pytest.mark.parametrize(("structure", "block", "refused"), [
    ("block", (4, 4), False), ("block", (3, 4), True), ("block", (4, 5), True), ("unstructured", (3, 4), False),
])  # fmt: skip
def test_a_block_has_to_divide_one_convolution(structure: str, block: tuple[int, int], refused: bool) -> None:
    asked: Any = SimpleNamespace(
        options=SimpleNamespace(pruning_structure=structure, block_size=block),
        network=SimpleNamespace(inventory=Inventory(SITES)),
    )
    if not refused:
        refuse_blocks(asked)
        return
    with pytest.raises(BadInput, match=rf"--block_size {block[0]},{block[1]} divides .* no convolution \(conv 8×12, "):
        refuse_blocks(asked)


def test_menus_of_a_classifier_are_not_those_of_a_regression() -> None:
    """Its metric is centred over the classes, so that candidates have other losses."""
    options = SimpleNamespace(
        compression_type="hybrid",
        pruning_structure="auto",
        block_size=(4, 4),
        weight_bits=None,
        target="mobile",
        seed=0,
    )

    def key(classifier: bool) -> str:
        network = SimpleNamespace(hash="ab", classifier=classifier, inventory=())
        knowledge, target = SimpleNamespace(calibration_hash="cd"), SimpleNamespace(weight_bits=8)
        return menus_key(SimpleNamespace(options=options, network=network, knowledge=knowledge, target=target))  # type: ignore[arg-type]

    assert key(True) == key(True)
    assert key(True) != key(False)
