"""Which attempt is kept, which plans are carried out, and what is refused before any work is done."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.errors import BadInput, Infeasible, UnsupportedLayer
from compiler.evidence.judge import judge
from compiler.result import Evidence
from compiler.run.search import carry_out, confirmed, menus_key, predicted, refuse_blocks, refuted
from compiler.solver.fixed_loss import Tried
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost, Inventory, Plan

SITES = (ConvSite("conv", "conv", (3, 3), 8, 12), ConvSite("logits", "dense", (1, 1), 12, 10))
PLAN = Plan((("conv", Choice("tucker2", (4, 4))), ("logits", DENSE)), "mobile", 0, "ab12", calibration_hash="cd34")


def tried(factor: float, tflite: bytes) -> Tried[Any]:
    return Tried(factor, SimpleNamespace(emitted=SimpleNamespace(tflite=tflite)), 0.01)


def session(losses: dict[bytes, tuple[float, float]], *, halves: object = ()) -> Any:
    """One that measures what it is told, by file: (loss, least that it may be)."""

    def measure(tflite: bytes, part: str) -> Evidence:
        assert part == "report"
        loss, least = losses[tflite]
        return Evidence("measured", "accuracy", loss, 100, "half", interval=(least, 2 * loss - least))

    return SimpleNamespace(
        options=SimpleNamespace(max_acc_loss=0.02), examples=SimpleNamespace(halves=halves), measure=measure
    )


def no_other(factor: float) -> Any:
    raise AssertionError("there is an attempt to step back to")


ATTEMPTS = [tried(0.9, b"large"), tried(0.5, b"middle"), tried(0.3, b"small")]


def test_the_smallest_that_keeps_the_bound_on_both_halves_is_taken() -> None:
    found = confirmed(session({b"small": (0.02, 0.01)}), ATTEMPTS, no_other)
    assert found.built.emitted.tflite == b"small"
    assert (found.search_loss, found.notes) == (0.01, ())
    found = confirmed(session({b"small": (0.021, 0.0), b"middle": (0.02, 0.0)}), ATTEMPTS, no_other)
    assert found.built.emitted.tflite == b"middle"
    (note,) = found.notes
    assert note.startswith("smaller plans lost more than the bound on the report half")


def larger(asked: list[float], loss: float) -> Any:
    """Makes the network that lies halfway to the whole one, and measures it on the search half."""

    def attempt(factor: float) -> Any:
        asked.append(factor)
        return tried(factor, b"new").attempt, loss

    return attempt


def test_where_none_does_a_larger_one_is_made() -> None:
    asked: list[float] = []
    losses = {b"small": (0.03, 0.0), b"middle": (0.025, 0.0), b"large": (0.022, 0.0), b"new": (0.01, 0.0)}
    found = confirmed(session(losses), ATTEMPTS, larger(asked, 0.015))
    assert (found.built.emitted.tflite, found.search_loss, asked) == (b"new", 0.015, [pytest.approx(0.95)])
    # It has to be within the bound on the search half, too.
    found = confirmed(session(losses), ATTEMPTS, larger(asked, 0.021))
    assert found.built.emitted.tflite == b"large"


def test_a_loss_above_the_bound_by_chance_is_kept_and_said() -> None:
    """Of those, the one that loses least; the smallest may well have been refuted."""
    losses = {b"small": (0.05, 0.03), b"middle": (0.022, 0.0), b"large": (0.023, 0.0), b"new": (0.024, 0.0)}
    found = confirmed(session(losses), ATTEMPTS, larger([], 0.01))
    assert found.built.emitted.tflite == b"middle"
    (note,) = found.notes
    assert "every plan lost more than the bound; what this one does, chance explains" in note


def test_where_chance_does_not_explain_it_nothing_is_written() -> None:
    losses = {b"small": (0.05, 0.03), b"middle": (0.04, 0.025), b"large": (0.04, 0.022), b"new": (0.03, 0.021)}
    with pytest.raises(Infeasible, match=r"--max_acc_loss 0.02 was met on the half .* not on the other, even one step"):
        confirmed(session(losses), ATTEMPTS, larger([], 0.01))


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_nowhere_to_step_back_to(factor: float) -> None:
    def attempt(larger: float) -> Any:
        assert factor < larger < 1
        raise Infeasible("no file keeps the limits")

    with pytest.raises(Infeasible, match=r"met on the half that the search used but not on the other; give more --dat"):
        confirmed(session({b"only": (0.04, 0.03)}), [tried(factor, b"only")], attempt)


@pytest.mark.parametrize(("changed", "is_refuted"), [(1, False), (3, False), (6, False), (7, True), (30, True)])
def test_unlabelled_examples_refute_with_all_of_their_interval(changed: int, is_refuted: bool) -> None:
    """6 of 100 may be a share of 2.2 %, 7 of 100 is 2.9 % at least; asked are 2.5 %."""
    before = np.eye(3)[np.zeros(100, int)]
    after = np.eye(3)[(np.arange(100) < changed).astype(int)]
    evidence = judge((before,), (after,), classifier=True, source="photos")
    assert evidence.tier == "bounded"
    assert refuted(evidence, 0.025) == is_refuted


def test_a_score_without_an_interval_refutes_as_it_is() -> None:
    score = Evidence("measured", "score", 0.03, 100, "evaluate=")
    assert refuted(score, 0.02)
    assert not refuted(score, 0.03)


def test_without_halves_there_is_nothing_to_refute() -> None:
    found = confirmed(session({b"small": (0.5, 0.6)}, halves=None), ATTEMPTS, no_other)
    assert found.built.emitted.tflite == b"small"


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
