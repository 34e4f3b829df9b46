"""A run that has come to its end, in memory: nothing of it is written yet."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from compiler.backend.targets.target import Target
from compiler.frontend.read_network import Network
from compiler.result import Result
from compiler.run.found import Found
from compiler.run.session import Session
from compiler.run.summary import settings
from compiler.run.versions import versions
from compiler.surgery.realise import Gates
from compiler.types import Choice, Plan


@dataclass(frozen=True, eq=False)
class Finished:
    """The file, the Keras model that it was quantized from, the plan that leads to it again, and what is known."""

    tflite: bytes
    model: keras.Model
    plan: Plan
    result: Result
    target: Target
    borders: tuple[str, str] | None = None  # what the network calls its one input and its one output


def finished(session: Session, found: Found, result: Result) -> Finished:
    """What `found` amounts to."""
    built = found.built
    plan = plan_of(session, built.choices, built.predicted_loss, built.realised.gates)
    return Finished(
        built.emitted.tflite, built.emitted.model, plan, result, session.confined, borders_of(session.network)
    )


def borders_of(network: Network) -> tuple[str, str] | None:
    """(name of the input, name of the output) as the network had them; None where there is more than one."""
    inputs, outputs = network.borders
    return (inputs[0], outputs[0]) if len(inputs) == len(outputs) == 1 else None


def plan_of(
    session: Session, choices: tuple[tuple[str, Choice], ...], predicted_loss: float, gates: Gates = ()
) -> Plan:
    """A plan of this session; without `gates` those are judged when it is carried out."""
    return Plan(
        choices=choices,
        target=session.options.target,
        seed=session.options.seed,
        model_hash=session.network.hash,
        settings=(*settings(session), ("classifier", str(session.network.classifier))),
        versions=versions(),
        calibration_hash=session.knowledge.calibration_hash,
        gates=gates,
        predicted_loss=predicted_loss,
    )
