from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.intervals import clopper_pearson, clopper_pearson_upper, mcnemar_p, paired_interval
from compiler.evidence.judge import examples_needed, judge, require_halves, require_resolution


def _answers(answers: list[int]) -> tuple[np.ndarray, ...]:
    return (np.eye(3)[answers],)


BEFORE, AFTER = _answers([0, 1, 2, 0, 1, 2]), _answers([0, 1, 2, 1, 2, 2])  # answers 3 and 4 change
LABELS = np.array([0, 1, 2, 0, 2, 0])  # so that one is lost and one is won; add one more lost


def test_labels_measure_the_loss_of_accuracy() -> None:
    labels = np.array([0, 1, 2, 0, 1, 0])
    evidence = judge(BEFORE, AFTER, labels=labels, classifier=True, source="here")
    assert (evidence.tier, evidence.metric, evidence.examples) == ("measured", "accuracy", 6)
    assert evidence.original == pytest.approx(5 / 6)
    assert evidence.compressed == pytest.approx(3 / 6)
    assert evidence.loss == pytest.approx(2 / 6)
    assert evidence.interval == paired_interval(2, 0, 6)
    assert evidence.p_value == mcnemar_p(2, 0)


def test_won_answers_count_against_lost_ones() -> None:
    evidence = judge(BEFORE, AFTER, labels=LABELS, classifier=True, source="here")
    assert evidence.loss == 0
    assert evidence.interval == paired_interval(1, 1, 6)


def test_unlabelled_examples_bound_the_loss() -> None:
    evidence = judge(BEFORE, AFTER, classifier=True, source="here")
    assert (evidence.tier, evidence.metric) == ("bounded", "disagreement")
    assert evidence.loss == pytest.approx(2 / 6)
    assert evidence.upper_bound == clopper_pearson_upper(2, 6)
    assert evidence.interval == clopper_pearson(2, 6)
    assert evidence.interval[0] < evidence.loss < evidence.upper_bound < evidence.interval[1]


def test_synthetic_inputs_only_estimate() -> None:
    evidence = judge(BEFORE, AFTER, classifier=True, synthetic=True, source="synthetic inputs")
    assert (evidence.tier, evidence.metric) == ("estimated", "disagreement")
    maps = (np.ones((4, 2, 2, 1)),)
    evidence = judge(maps, (maps[0] * 1.5,), classifier=False, synthetic=True, source="synthetic inputs")
    assert (evidence.tier, evidence.metric) == ("estimated", "relative output error")


def test_accuracy_is_never_said_of_other_networks() -> None:
    rng = np.random.default_rng(0)
    outputs = (rng.normal(size=(8, 3)), rng.normal(size=(8, 5)))
    evidence = judge(outputs, (outputs[0] * 1.1, outputs[1] * 1.1), classifier=False, source="here")
    assert (evidence.tier, evidence.metric) == ("measured", "relative output error")
    assert evidence.loss == pytest.approx(0.1)
    assert evidence.interval == pytest.approx((0.1, 0.1))  # every example loses the same tenth


def test_the_users_own_score_is_used() -> None:
    def score(outputs: object, labels: np.ndarray | None) -> np.ndarray:
        assert labels is not None
        return -np.abs(np.asarray(outputs)[:, 0] - labels)

    before, after = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.5], [3.75]])
    evidence = judge((before,), (after,), labels=np.array([1, 2, 3]), classifier=False, score=score, source="here")
    assert evidence.metric == "score"
    assert evidence.loss == pytest.approx((0.5 + 0.5 + 0.75) / 3)
    with pytest.raises(BadInput, match="one finite score for each example"):
        judge((before,), (after,), classifier=False, score=lambda o, y: np.zeros(2), source="here")


@pytest.mark.parametrize(("loss", "needed"), [(0.02, 100), (0.03, 67), (1.0, 2), (0.005, 400)])
def test_examples_needed(loss: float, needed: int) -> None:
    assert examples_needed(loss) == needed
    require_resolution(2 * needed, loss)
    with pytest.raises(BadInput, match=rf"at least {2 * needed} \({needed} to search on"):
        require_resolution(2 * needed - 1, loss)


def test_a_score_needs_two_examples_a_half() -> None:
    require_halves(4)
    with pytest.raises(BadInput, match=r"--data has 3 examples to use, too few .*: give at least 4\.$"):
        require_halves(3)


def test_the_mend_is_enough() -> None:
    """Asking for the loss that the message names is accepted with the images at hand."""
    for examples in (10, 57, 198):
        with pytest.raises(BadInput) as refused:
            require_resolution(examples, 0.01)
        offered = float(str(refused.value).split("--max_acc_loss ")[1].split(" ")[0])
        require_resolution(examples, offered)


def test_no_number_resolves_a_loss_of_zero() -> None:
    with pytest.raises(BadInput, match="No number of images"):
        require_resolution(10**6, 0)


def test_an_original_whose_answers_know_nothing_is_noticed() -> None:
    labels = np.arange(900) % 3
    for answers, little in ((labels, False), ((labels + 1) % 3, True), (np.zeros(900, int), True)):
        outputs = _answers(answers.tolist())
        assert judge(outputs, outputs, labels=labels, classifier=True, source="here").knows_little is little
    outputs = _answers(((labels + 1) % 3).tolist())
    assert not judge(outputs, outputs, classifier=True, source="here").knows_little
