"""The devices that the compiler knows; `--target` is a key of this table."""

from __future__ import annotations

from compiler.backend.targets.agreement import Agreement
from compiler.backend.targets.cortex_m import CortexM
from compiler.backend.targets.ethos_u import EthosU
from compiler.backend.targets.mobile import Mobile
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.targets.target import Target
from compiler.backend.targets.xcore import XCore
from compiler.result import TargetFigures

TARGETS: dict[str, Target] = {
    "mobile": Mobile(),
    "xcore": XCore(),
    "cortex_m": CortexM(),
    "ethos_u": EthosU(),
    "c": PlainC(),
}

__all__ = ["TARGETS", "Agreement", "Target", "TargetFigures"]
