"""An emitted file, checked once more against what was said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.backend.stored_bytes import macs, stored_bytes
from compiler.backend.targets import TARGETS
from compiler.backend.verify import check_operators
from compiler.errors import BadInput, CheckFailed
from compiler.options import Options
from compiler.report.progress import Progress
from compiler.report.read_report import read_report
from compiler.result import Result
from compiler.run.confined import confined
from compiler.run.plan_json import read_plan
from compiler.run.plan_options import plan_options
from compiler.run.target_of import target_of
from compiler.types import Plan


@dataclass(frozen=True, slots=True)
class Verified:
    """`checks`: what was found in order, a sentence each; `answers`: how far the file's are from the network's, a
    figure and no verdict, None where the network is not at hand."""

    checks: tuple[str, ...]
    answers: str | None


def verify_file(
    path: Path,
    *,
    report_path: Path,
    plan_path: Path | None,
    input_path: Path | None,
    model_name: str | None,
    progress: Progress,
) -> Verified:
    """All claims of the report; raises CheckFailed for the first that does not hold."""
    tflite, report = path.read_bytes(), read_report(report_path)
    progress.stage("Checking the file")
    checks = [identity(tflite, report), operators(tflite, report), sizes(tflite, report)]
    checks += beside(path.parent, report)
    plan = None if plan_path is None else read_plan(plan_path)
    if plan is not None:
        checks.append(belongs(plan, report))
        if not TARGETS[report.target].is_tflite:
            progress.stage(f"Asking {TARGETS[report.target].tool}")
            checks.append(artefact(tflite, report, plan))
    source, answers = input_path or Path(report.input_path), None
    if source.is_file() and plan is not None:
        from compiler.run.verify_answers import verify_answers  # Keras, where all else has been found in order

        answers = verify_answers(tflite, report, plan, source, model_name, progress)
    return Verified(tuple(checks), answers)


def identity(tflite: bytes, report: Result) -> str:
    """The file is the one that the report is about."""
    found = hashlib.sha256(tflite).hexdigest()
    said = "" if report.details is None else report.details.file_sha256
    if found != said:
        raise CheckFailed(
            f"the file is not the one that the report describes (SHA-256 {found[:12]}…, not {said[:12]}…); give the "
            "report that lies beside it, or make the file anew."
        )
    return f"it is the file of the report, SHA-256 {found[:12]}…"


def operators(tflite: bytes, report: Result) -> str:
    """All operators are int8 builtins, the borders of the type that was asked for."""
    names = check_operators(tflite, io=report.io)
    return f"its {len(names)} operators are int8 builtins, {report.io} in and out"


def sizes(tflite: bytes, report: Result) -> str:
    """Its figures are those of the report."""
    stored = stored_bytes(tflite)
    found = {"macs": macs(tflite)}
    if TARGETS[report.target].is_tflite:
        found |= {
            "params": stored.params,
            "stored_weight_bytes": stored.weight_bytes,
            "file_bytes": stored.file_bytes,
        }
    return as_reported(report, found)


def as_reported(report: Result, found: Mapping[str, int], by: str = "") -> str:
    """Raises CheckFailed for a figure that is another in the report."""
    for name, value in found.items():
        said = getattr(report.compressed, name)
        if value != said:
            raise CheckFailed(f"the file has {value:,} {name.replace('_', ' ')}, the report says {said:,}; report it.")
    return by + ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in found.items()) + ", as reported"


def beside(folder: Path, report: Result) -> list[str]:
    """The files for the device that lie beside it are those that the run wrote."""
    said = () if report.details is None else report.details.tool_files
    found = [(name, digest) for name, digest in said if (folder / name).is_file()]
    for name, digest in found:
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise CheckFailed(f"'{name}' is not the file that the run wrote; make it anew.")
    if not said:
        return []
    gone = f" ({len(said) - len(found)} more don't lie here)" if len(found) < len(said) else ""
    return [f"files for {report.target} that lie here, {len(found)} in number, are those that the run wrote{gone}"]


def artefact(tflite: bytes, report: Result, plan: Plan) -> str:
    """What the target's tool makes of the file is as large as reported."""
    options = plan_options(Options(input_path=Path(report.input_path), output_path=Path(report.output_path)), plan)
    target = target_of(options)
    on = report.on_target
    if on is None:
        return f"what {target.tool} makes of it is in no report, and was not checked"
    try:
        target.require_tool()
    except BadInput:
        return f"{target.tool} is not installed here, so what it makes of the file was not checked"
    if target.tool_version != on.tool:
        return f"{target.tool_version} may make something else of it than {on.tool} did, and was not asked"
    stored = confined(target, on.original.figures.arena_bytes, options.max_arena_bytes).stored(tflite)
    return as_reported(
        report,
        {"params": stored.params, "stored_weight_bytes": stored.weight_bytes, "file_bytes": stored.file_bytes},
        f"{target.tool}: ",
    )


def belongs(plan: Plan, report: Result) -> str:
    """Plan and report are of one run."""
    come_from = report.provenance
    for name, said, planned in (
        ("network", come_from.model_hash, plan.model_hash),
        ("calibration inputs", come_from.calibration_hash, plan.calibration_hash),
        ("target", report.target, plan.target),
        ("seed", come_from.seed, plan.seed),
    ):
        if said != planned:
            raise CheckFailed(f"plan and report differ in the {name} ({planned} and {said}); give those of one run.")
    rows = {r.name: (r.choice.partition("+")[0], r.ranks, r.structure, r.bits) for r in report.layers}
    for name, choice in plan.choices:
        if rows.get(name) != (choice.chain, choice.ranks, choice.structure, choice.bits):
            raise CheckFailed(f"plan and report differ in what layer '{name}' became; give those of one run.")
    return f"plan and report agree on {len(plan.choices)} layers"
