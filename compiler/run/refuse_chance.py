"""A bound on the loss of a network that is right by chance alone is met by every file, so it is refused at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.accuracy import top1
from compiler.evidence.chance import chance_p_value, is_chance
from compiler.evidence.dataset import Dataset
from compiler.frontend.read_network import Network
from compiler.run.examples import Examples

LOOKED_AT = 1000  # of the examples to search on


def refuse_chance(examples: Examples, network: Network) -> None:
    """Raise BadInput where labels are searched on of which the network's answers know nothing."""
    data = examples.data
    if examples.halves is None or data.y is None or not examples.classifier or examples.score is not None:
        return
    some = examples.part("search")[:LOOKED_AT]
    looked_at = Dataset(data.inputs(some), data.y[some], data.name)
    (outputs,) = replace(examples, data=looked_at, halves=None).outputs_of(network.normal)
    answers, labels = top1(outputs), data.y[some]
    if is_chance(chance_p_value(answers, labels)):
        raise BadInput(
            f"The network is right on {np.count_nonzero(answers == labels):,} of {len(labels):,} examples of --data "
            f"{data.name}, which is chance; set --input_scale, --input_mean and --input_std as in training, and check "
            "that the labels are numbered as the network's answers are."
        )
