"""The files of a finished run: the network, its plan, its report and, on request, the compressed Keras model."""

from __future__ import annotations

import tempfile
from pathlib import Path

from compiler.options import Options
from compiler.report.report_json import report_json
from compiler.result import Result
from compiler.run.plan_json import plan_json
from compiler.run.search import Found
from compiler.run.write_files import write_files
from compiler.types import Plan


def write_result(options: Options, found: Found, result: Result) -> None:
    """All of them, or none."""
    plan = Plan(
        choices=found.built.choices,
        target=result.target,
        seed=result.provenance.seed,
        model_hash=result.provenance.model_hash,
        settings=result.provenance.settings,
        versions=result.provenance.versions,
        calibration_hash=result.provenance.calibration_hash,
        gates=found.built.realised.gates,
        predicted_loss=found.built.predicted_loss,
    )
    contents = {
        options.output_path: found.built.emitted.tflite,
        options.plan_path: plan_json(plan).encode(),
        options.report_path: report_json(result).encode(),
    }
    if options.save_keras:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            found.built.emitted.model.save(path)
            contents[options.keras_path] = path.read_bytes()
    write_files(contents)
