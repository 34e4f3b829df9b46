"""The inputs that teach the search and the quantizer: the user's own, unlabelled, or synthetic ones from the cache."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from compiler.datafree.synthesize import synthesize
from compiler.evidence.load_data import load_data
from compiler.frontend.inventory import inventory
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.report.progress import Progress
from compiler.run.cache import Cache, key_of
from compiler.types import Span

# Work that synthesis may cost, in multiply-accumulates of forward passes: half a minute on two cores.
WORK = 1.0e12
MOST, LEAST = 320, 32
MOST_STEPS, LEAST_STEPS = 50, 16
PATIENT_STEPS = 400  # where the first ones don't match and the work allows
LARGEST_BATCH_VALUES = 160 * 32 * 32 * 3  # input values in one batch
LARGEST_BATCH_MACS, LEAST_BATCH = 6.4e10, 16  # a ResNet-50 of 224×224 keeps 2.5 GB for 16 backward passes


@dataclass(frozen=True, slots=True)
class Effort:
    """How many inputs, in batches of how many, for how many steps, and for how many where those don't match."""

    count: int
    batch: int
    steps: int
    most_steps: int


def effort(macs: int, input_values: int) -> Effort:
    """As many inputs and steps as WORK buys for a network of `macs` and `input_values` an example."""
    count = int(np.clip(WORK / (MOST_STEPS * max(macs, 1)), LEAST, MOST)) // 2 * 2
    steps = int(np.clip(WORK / (count * max(macs, 1)), LEAST_STEPS, MOST_STEPS))
    batches = max(1, -(-count * input_values // LARGEST_BATCH_VALUES))
    batch = max(min(LEAST, count), -(-count // batches))
    batch = min(batch, max(LEAST_BATCH, int(LARGEST_BATCH_MACS / max(macs, 1))))
    most_steps = int(np.clip(WORK / (count * max(macs, 1)), steps, PATIENT_STEPS))
    return Effort(count, batch, steps, most_steps)


@dataclass(frozen=True, eq=False)
class Calibration:
    """One float32 array (n, …) per model input, where they come from, and, of each, the lowest and the highest value
    that it may have in use (None: nothing is known but `inputs`)."""

    inputs: tuple[np.ndarray, ...]
    source: str
    spans: tuple[Span | None, ...]


def calibration_inputs(network: Network, options: Options, cache: Cache, progress: Progress) -> Calibration:
    """The user's, or synthetic ones, made or from the cache."""
    if options.calibration_data is not None:
        return users_inputs(network, options)
    seed, input_range = options.seed, options.input_range
    macs = sum(site.macs for site in inventory(network.whole).sites)  # of all layers, also those that are excluded
    plan = effort(macs, sum(int(np.prod(shape)) for shape in network.input_shapes))
    told = network.quantized
    asked = (network.classifier, seed, input_range, plan)
    key = key_of("inputs", network.hash, told, *asked, rooms=("datafree", "frontend", "tflite"))
    stored = cache.get(key)
    if stored is not None:
        with np.load(io.BytesIO(stored)) as entry:
            inputs = tuple(entry[f"x{i}"] for i in range(len(network.input_shapes)))
            return Calibration(inputs, str(entry["source"]), tuple(map(span_of, entry["spans"])))
    progress.stage("Synthesising inputs", total=plan.most_steps * -(-plan.count // plan.batch))
    made = synthesize(
        network.normal,
        network.normal_logits,
        plan.count,
        seed=seed,
        classifier=network.classifier,
        input_range=input_range,
        quantized=network.quantized,
        steps=plan.steps,
        most_steps=plan.most_steps,
        batch=plan.batch,
        advance=progress.advance,
    )
    buffer = io.BytesIO()
    spans = np.array([span or (np.nan, np.nan) for span in made.spans])
    np.savez(buffer, source=np.array(made.source), spans=spans, **{f"x{i}": x for i, x in enumerate(made.inputs)})
    cache.put(key, buffer.getvalue())
    return Calibration(made.inputs, made.source, made.spans)


def span_of(stored: np.ndarray) -> Span | None:
    low, high = map(float, stored)
    return None if np.isnan(low) else (low, high)


def users_inputs(network: Network, options: Options) -> Calibration:
    """At most MOST of the inputs that `--calibration_data` names; labels are not looked at."""
    assert options.calibration_data is not None
    shapes = network.input_shapes
    data = load_data(
        options.calibration_data,
        input_shape=shapes if len(shapes) > 1 else shapes[0],
        input_scale=options.input_scale,
        input_mean=options.input_mean,
        input_std=options.input_std,
        input_range=options.input_range,
        limit=MOST,
        flag="--calibration_data",
    )
    return Calibration(data.inputs(), f"{len(data)} inputs of {data.name}", (options.input_range,) * len(shapes))
