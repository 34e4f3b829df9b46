"""A plan on disk: JSON that replays to the same bytes on the same machine and versions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compiler.errors import BadInput
from compiler.run.fits import misfit
from compiler.types import SCHEMA_VERSION, Choice, Plan


def plan_json(plan: Plan) -> str:
    """The plan as indented JSON; `choices` in graph order."""
    content: dict[str, Any] = asdict(plan)
    content["choices"] = [{"site": name, **asdict(choice)} for name, choice in plan.choices]
    for key in ("settings", "versions", "gates"):
        content[key] = dict(getattr(plan, key))
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_plan(path: Path) -> Plan:
    """Raises BadInput for a file that is no plan, or one of another schema."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            raise BadInput(
                f"plan '{path.name}' has schema {content['schema_version']}, this version reads {SCHEMA_VERSION}; "
                "make the plan anew."
            )
        choices = tuple((entry.pop("site"), choice_of(entry)) for entry in content["choices"])
        plan = Plan(
            choices=choices,
            target=content["target"],
            seed=content["seed"],
            model_hash=content["model_hash"],
            settings=tuple(content["settings"].items()),
            versions=tuple(content["versions"].items()),
            calibration_hash=content["calibration_hash"],
            gates=tuple(content["gates"].items()),
            predicted_loss=content["predicted_loss"],
        )
        wrong = misfit(Plan, plan)
        if wrong is not None:
            raise TypeError(f"{wrong}: not of the right type")
        return plan
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"--plan '{path.name}' is no plan of this compiler ({error}); give the .plan.json that a run has written."
        ) from None


def choice_of(entry: dict[str, Any]) -> Choice:
    block = entry["block"]
    return Choice(
        chain=entry["chain"],
        ranks=tuple(entry["ranks"]),
        structure=entry["structure"],
        block=tuple(block) if block else None,
        kept=entry["kept"],
        bits=entry["bits"],
    )
