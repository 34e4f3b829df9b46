"""A bound on the loss of a network that knows hardly more than chance is met by any file, so it is refused at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.datafree.patches import some_of
from compiler.errors import BadInput
from compiler.evidence.accuracy import top1
from compiler.evidence.chance import knows_little
from compiler.evidence.dataset import Dataset
from compiler.frontend.read_network import Network
from compiler.run.examples import Examples

LOOKED_AT = 1000  # of the examples to search on


def refuse_chance(examples: Examples, network: Network) -> None:
    """Raise BadInput where labels are searched on of which the network's answers know nothing."""
    data = examples.data
    if examples.halves is None or data.y is None or not examples.classifier or examples.score is not None:
        return
    half = examples.part("search")
    some = half[some_of(len(half), LOOKED_AT, 0)]  # at random: folders are read class by class
    looked_at = Dataset(data.inputs(some), data.y[some], data.name)
    (outputs,) = replace(examples, data=looked_at, halves=None).outputs_of(network.normal)
    answers, labels = top1(outputs), data.y[some]
    if knows_little(answers, labels):
        raise BadInput(
            f"The network is right on {np.count_nonzero(answers == labels):,} of {len(labels):,} examples of --data "
            f"{data.name}, hardly better than chance; set --input_scale, --input_mean and --input_std as in training, "
            "and check that the labels are numbered as the network's answers are."
        )
