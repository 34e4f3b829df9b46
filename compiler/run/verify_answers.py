"""An emitted file beside the network that it was made from; needs Keras, as the other checks of a file don't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from compiler.backend.targets import TARGETS
from compiler.backend.verify import run
from compiler.datafree.study import Study, divided
from compiler.errors import CheckFailed
from compiler.frontend.read_network import read_network
from compiler.options import Options
from compiler.report.progress import Progress
from compiler.result import Result
from compiler.run.cache import Cache
from compiler.run.calibration_inputs import calibration_inputs
from compiler.run.examples import held_out_examples
from compiler.run.plan_options import plan_options
from compiler.types import Plan


def verify_answers(
    tflite: bytes, report: Result, plan: Plan, source: Path, model_name: str | None, progress: Progress
) -> str:
    """The file beside the network that it was made from, on the held-out calibration inputs of that run; where those
    can't be had again, it says so."""
    options = plan_options(Options(input_path=source, output_path=Path(report.output_path)), plan)
    own = dict(plan.settings).get("calibration_data", "None")
    if own != "None" and Path(own).exists():  # a file or a folder: code that it names is not run here
        # A plan holds no input scale: inputs that are in other units here show in their hash, below.
        options = replace(options, calibration_data=own, input_range=None)
    progress.stage("Reading the network")
    network = read_network(source, model_name=model_name, input_shape=None, exclude=options.exclude)
    if network.hash != report.provenance.model_hash:
        raise CheckFailed(f"the file was made from another network than '{source}'; give that one with --input_path.")
    taught = calibration_inputs(network, options, Cache(), progress)
    teaching, held_out = divided(taught.inputs)
    if Study(teaching, held_out, "", {}, {}, {}).calibration_hash != report.provenance.calibration_hash:
        return (
            "its answers can't be compared: the run was calibrated on other inputs "
            f"({report.provenance.calibration_source}) than can be made here"
        )
    classes = dict(plan.settings).get("classifier") != "False"  # labels may have told what the network alone can't
    examples = held_out_examples(held_out, network.classifier and classes)
    outputs = run(tflite, list(held_out), kernels=TARGETS[report.target].kernels)
    if not all(np.all(np.isfinite(z)) for z in outputs):
        raise CheckFailed("the file's outputs are not finite on its own calibration inputs; make it anew.")
    seen = examples.judge(examples.outputs_of(network.normal), outputs, "report")
    said = report.evidence
    if said.tier == "estimated" and abs(seen.loss - said.loss) > 1e-3:
        raise CheckFailed(
            f"on inputs held out of its calibration the file has a {seen.metric} of {100 * seen.loss:.2f} %, the "
            f"report says {100 * said.loss:.2f} %; was it made on another machine?"
        )
    held = f"{seen.examples} inputs held out of its calibration ({taught.source})"
    return f"{seen.metric} with the network on {held}: {100 * seen.loss:.2f} %"
