"""What `--data` is taken for, and how many examples it takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.examples import Examples, load_examples

PATHS: dict[str, Any] = {"input_path": Path("net.keras"), "output_path": Path("net.tflite")}
X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
CLASSES = np.arange(40) % 2
TARGETS = np.stack([X.sum(1), X[:, 0] - 3], axis=1)


def network(*, classifier: bool = True, softmax: bool = False) -> Any:
    """One of four inputs and two outputs."""
    return SimpleNamespace(
        normal=SimpleNamespace(inputs=[SimpleNamespace(shape=(None, 4))]),
        classifier=classifier,
        classes=2 if classifier else None,
        ends_in_probabilities=softmax,
    )


def load(folder: Path, y: np.ndarray | None, of: Any, *, n: int = 40, replayed: bool = False, **given: Any) -> Examples:
    np.savez(folder / "val.npz", x=X[:n], **({} if y is None else {"y": y[:n]}))
    found = load_examples(Options(**PATHS, data=str(folder / "val.npz"), **given), of, replayed=replayed)
    assert found is not None
    return found


@pytest.mark.parametrize("y", [TARGETS, TARGETS[:, 0], TARGETS[:, :1]], ids=["two", "one", "a column"])
def test_quantities_make_a_network_without_softmax_a_regression(tmp_path: Path, y: np.ndarray) -> None:
    found = load(tmp_path, y, network())
    assert not found.classifier
    outputs = [np.ones((40, 2))]
    evidence = found.judge(outputs, [1.1 * outputs[0]], "report")
    assert (evidence.metric, evidence.loss) == ("relative output error", pytest.approx(0.1))


def test_classes_and_no_labels_leave_it_a_classifier(tmp_path: Path) -> None:
    assert load(tmp_path, CLASSES, network()).classifier
    assert load(tmp_path, None, network()).classifier
    with pytest.raises(BadInput, match=r"for one-hot labels y\.argmax\(1\)"):
        load(tmp_path, np.eye(2)[CLASSES], network())


@pytest.mark.parametrize("y", [TARGETS, TARGETS[:, 0]])
def test_quantities_are_no_labels_of_a_softmax(tmp_path: Path, y: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"labels of (shape|dtype)"):
        load(tmp_path, y, network(softmax=True))


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("y", [TARGETS, np.array(["a"] * 40), CLASSES + 7], ids=["quantities", "words", "ids"])
def test_a_score_of_ones_own_takes_any_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, y: np.ndarray, softmax: bool
) -> None:
    (tmp_path / "own_score.py").write_text("def score(outputs, y): return outputs[:, 0]\n")
    monkeypatch.chdir(tmp_path)
    found = load(tmp_path, y, network(softmax=softmax), evaluate="own_score:score", method="fixed_loss")
    assert found.data.y is not None
    assert np.array_equal(found.data.y, y)
    assert found.halves is not None
    with pytest.raises(BadInput, match="--data has 3 examples to use, too few to search on one half"):
        load(tmp_path, y, network(softmax=softmax), n=3, evaluate="own_score:score", method="fixed_loss")


@pytest.mark.parametrize(
    ("y", "of"),
    [(CLASSES, network()), (None, network()), (TARGETS, network()), (TARGETS, network(classifier=False))],
    ids=["classes", "unlabelled", "quantities", "no classifier"],
)
def test_every_search_needs_examples_that_resolve_its_bound(tmp_path: Path, y: np.ndarray | None, of: Any) -> None:
    asked = {"method": "fixed_loss", "max_acc_loss": 0.1}
    found = load(tmp_path, y, of, **asked)
    assert [len(found.part(half)) for half in ("search", "report")] == [20, 20]
    with pytest.raises(
        BadInput, match=r"--data has 39 images to use, too few to tell a loss of 0\.1: give at least 40"
    ):
        load(tmp_path, y, of, n=39, **asked)


def test_a_plan_that_is_carried_out_searches_nothing(tmp_path: Path) -> None:
    found = load(tmp_path, CLASSES, network(), n=7, replayed=True, method="fixed_loss", max_acc_loss=0.02)
    assert found.halves is None
    assert len(found.part("report")) == 7
