from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.report.headline import headline, percent
from compiler.result import Evidence, Result, TimeRatio


def test_fixed_params_says_what_was_asked_and_reached(result: Result) -> None:
    assert headline(result) == "keeps 50 % (factor 0.5): 2,970 of 6,000 stored weight bytes, 49.5 %"


def test_fixed_loss_says_what_was_reached(result: Result) -> None:
    found = replace(result, asked_factor=None, budget="macs", max_acc_loss=0.03)
    assert headline(found) == "keeps 50 % (factor 0.5): 150,000 of 300,000 multiply-accumulates, 50.0 %"
    found = replace(found, budget="bytes")
    assert headline(found) == "keeps 61.1 % (factor 0.611): 5,500 of 9,000 bytes of the file, 61.1 %"


def test_what_is_no_file_is_called_none(result: Result) -> None:
    on_c = replace(result, target="c", counted="constants in flash", budget="bytes", asked_factor=None)
    assert "5,500 of 9,000 bytes of constants in flash" in headline(on_c)
    larger = replace(on_c, compressed=replace(on_c.compressed, file_bytes=9_900))
    assert "; LARGER constants in flash: 9,900 bytes against 9,000 (1.10 times)" in headline(larger)
    assert "file" not in headline(larger)


@pytest.mark.parametrize(("share", "text"), [(0.5, "50 %"), (1, "100 %"), (0.125, "12.5 %"), (0.33333, "33.3 %")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def with_figures(result: Result, **changes: object) -> Result:
    """The result with other figures of the compressed file on its target."""
    assert result.on_target is not None
    compressed = replace(result.on_target.compressed, figures=replace(result.on_target.compressed.figures, **changes))
    return replace(result, on_target=replace(result.on_target, compressed=compressed))


def test_the_first_line_owns_up_to_what_is_worse(result: Result) -> None:
    slower = headline(with_figures(result, time=0.161))
    assert slower.endswith("49.5 %; SLOWER on mobile: 0.161 ms against 0.134 (1.20 times, measured)")
    hungrier = headline(with_figures(result, arena_bytes=5_120))
    assert hungrier.endswith("49.5 %; MORE RAM on mobile: 5,120 bytes against 4,096 (1,024 more, estimate)")
    larger = replace(result, compressed=replace(result.compressed, file_bytes=9_900))
    assert headline(larger).endswith("49.5 %; LARGER file: 9,900 bytes against 9,000 (1.10 times)")


def test_two_runs_on_a_clock_differ_but_counts_and_estimates_do_not(result: Result) -> None:
    assert "SLOWER" not in headline(with_figures(result, time=0.134 * 1.04))
    assert "SLOWER" in headline(with_figures(result, time=0.134 * 1.04, time_label="estimate"))
    assert "SLOWER" in headline(with_figures(result, time=0.134 * 1.04, time_unit="instructions"))


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        ((1.20, 1.12, 1.28), "; SLOWER on mobile: 0.161 ms against 0.134 (1.20 times, measured)"),
        ((2.0, 1.3, 4.0), "; SLOWER on mobile: 0.161 ms against 0.134 (2.00 times, measured)"),  # wide, but all above
        ((1.20, 0.80, 1.30), "; about as fast on mobile (noisy: 0.80 to 1.30 times)"),
        ((1.02, 0.80, 1.30), "; about as fast on mobile (noisy: 0.80 to 1.30 times)"),
        ((1.08, 1.01, 1.12), "; about as fast on mobile (noisy: 1.01 to 1.12 times)"),
        ((1.02, 0.98, 1.06), ""),
        ((0.60, 0.30, 0.90), ""),
    ],
)
def test_only_rounds_that_agree_say_slower(result: Result, ratio: tuple[float, float, float], said: str) -> None:
    read = with_figures(result, time=0.161, time_ratio=TimeRatio(*ratio, rounds=21))
    assert headline(read) == "keeps 50 % (factor 0.5): 2,970 of 6,000 stored weight bytes, 49.5 %" + said


def test_the_first_line_owns_up_to_a_larger_loss_than_asked(result: Result) -> None:
    evidence = replace(result.evidence, metric="accuracy", loss=0.0334)
    asked = replace(result, asked_factor=None, max_acc_loss=0.02, evidence=evidence)
    assert "; LOSES 0.0334 of accuracy on the half of the examples that the search did not use" in headline(asked)
    assert "LOSES" not in headline(replace(asked, max_acc_loss=0.05))


def test_a_loss_on_inputs_that_nobody_took_is_an_estimate(result: Result) -> None:
    evidence = Evidence("estimated", "disagreement", 0.03125, 64, "synthetic inputs")
    assert headline(replace(result, max_acc_loss=0.02, evidence=evidence)).endswith(
        "; LOSES an estimated 0.0312 of disagreement on synthetic inputs, against 0.02 asked"
    )


def test_a_bound_that_the_examples_leave_open_is_not_proven(result: Result) -> None:
    asked = replace(result, asked_factor=None, max_acc_loss=0.02)
    assert headline(asked).endswith(
        "; the loss of 0.0125 is within the 0.02 asked but NOT PROVEN so: 240 examples leave up to 0.0300 possible"
    )
    assert "PROVEN" not in headline(replace(asked, max_acc_loss=0.03))
    bounded = Evidence("bounded", "disagreement", 0.01, 100, "photos", interval=(0, 0.054), upper_bound=0.0466)
    assert "leave up to 0.0466 possible" in headline(replace(asked, evidence=bounded))
    guessed = headline(replace(asked, evidence=replace(bounded, tier="estimated")))
    assert guessed.endswith("; the loss of 0.0100 is an ESTIMATE, on 100 photos")


def test_a_large_loss_is_in_the_first_line_whoever_asked(result: Result) -> None:
    lost = replace(result, evidence=replace(result.evidence, loss=0.36))
    assert headline(lost).endswith("; LOSES 0.360 of accuracy on the report half of val.npz")
    guessed = Evidence("estimated", "disagreement", 0.4, 64, "synthetic inputs")
    assert headline(replace(result, evidence=guessed)).endswith(
        "; LOSES an estimated 0.400 of disagreement on synthetic inputs"
    )
    assert "LOSES" not in headline(replace(result, evidence=replace(result.evidence, loss=0.03)))


def test_an_original_at_chance_is_no_baseline(result: Result) -> None:
    at_chance = replace(result, evidence=replace(result.evidence, knows_little=True))
    assert "; HARDLY BETTER THAN CHANCE is the original on the report half of val.npz: are --input_scale" in headline(
        at_chance
    )
    assert "CHANCE" not in headline(result)
