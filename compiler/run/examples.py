"""The examples that a run is judged on: the user's, in a search and a report half, or synthetic held-out inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.evidence.are_values import are_values
from compiler.evidence.dataset import Dataset
from compiler.evidence.judge import Score, judge, require_halves, require_resolution
from compiler.evidence.load_data import load_data
from compiler.evidence.split import split
from compiler.frontend.feed import feed
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.result import Evidence

BATCH = 250


@dataclass(frozen=True, eq=False)
class Examples:
    """`classifier`: answers are classes, as far as the network and the labels tell. `halves`: indices to search on and
    to report on; None: all serve both."""

    data: Dataset
    classifier: bool
    score: Score | None
    synthetic: bool = False
    halves: tuple[np.ndarray, np.ndarray] | None = None

    def part(self, which: str) -> np.ndarray:
        """Indices of the "search" or the "report" part."""
        if self.halves is None:
            return np.arange(len(self.data))
        return self.halves[0 if which == "search" else 1]

    def inputs(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        return self.data.inputs(indices)

    def outputs_of(self, model: Any) -> list[np.ndarray]:
        """Outputs of a Keras model on all examples, one array (n, …) each."""
        import keras

        parts = [
            [np.asarray(z) for z in keras.tree.flatten(model.predict_on_batch(feed(model, x)))]
            for x in self.data.batches(BATCH)
        ]
        return [np.concatenate(z) for z in zip(*parts, strict=True)]

    def judge(self, original: list[np.ndarray], compressed: list[np.ndarray], which: str) -> Evidence:
        labels = None if self.data.y is None else self.data.y[self.part(which)]
        half = "" if self.halves is None else f"{which} half of "
        return judge(
            original,
            compressed,
            labels=labels,
            classifier=self.classifier,
            synthetic=self.synthetic,
            score=self.score,
            source=f"{half}{self.data.name}",
        )


def load_examples(options: Options, network: Network, *, replayed: bool = False) -> Examples | None:
    """What `--data` names, checked before any work is done; None without `--data`. `replayed`: a plan is carried out,
    so that nothing is searched, and all examples are there to report on."""
    if options.data is None:
        return None
    shapes = tuple(tuple(t.shape[1:]) for t in network.normal.inputs)
    data = load_data(
        options.data,
        input_shape=shapes if len(shapes) > 1 else shapes[0],
        classes=network.classes if options.evaluate is None else None,
        or_values=not network.ends_in_probabilities,
        input_scale=options.input_scale,
        input_mean=options.input_mean,
        input_std=options.input_std,
        input_range=options.input_range,
        limit=options.eval_samples,
    )
    quantities = not network.ends_in_probabilities and data.y is not None and are_values(data.y)
    classifier = network.classifier and not quantities
    score: Score | None = None
    if options.evaluate is not None:
        from compiler.evidence.read_function import import_function

        score = import_function(options.evaluate, flag="--evaluate")
    halves = None
    if options.method == "fixed_loss" and not replayed:
        if score is None:
            require_resolution(len(data), options.max_acc_loss)
        else:
            require_halves(len(data))
        halves = split(len(data), data.y if classifier and score is None else None, options.seed)
    return Examples(data, classifier, score, halves=halves)


def held_out_examples(
    inputs: tuple[np.ndarray, ...], classifier: bool, calibration_data: str | None = None
) -> Examples:
    """Held-out calibration inputs in the place of data, synthetic or of `--calibration_data`; every figure from so few
    of them is an estimate."""
    name = "synthetic inputs" if calibration_data is None else f"held-out inputs of {calibration_data}"
    return Examples(Dataset(inputs, None, name), classifier, None, synthetic=True)
