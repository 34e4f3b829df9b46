"""The compiler as a library: what `scripts/compress.py` does, in steps, on a file or a Keras model in memory.

The method: kernels are approximated by a Tucker-2 decomposition and a sparse residual (Tucker 1966; Kim et al. 2016)
in the Kronecker-factored Gauss-Newton metric of the logits (Martens & Grosse 2015; Grosse & Martens 2016), measured
on inputs synthesised from the network's own BatchNorm statistics (Cai et al. 2020), and a multiple-choice knapsack
(Sinha & Zoltners 1979), solved exactly, picks one candidate a layer.

Units: bytes are bytes of the int8 file, macs are multiply-accumulates an example, losses are nats (half the squared,
centred change of the logits), factors are shares KEPT, 0 to 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.errors import BadInput
from compiler.evidence.evaluate import Evaluate
from compiler.greetings import LEVEL, without_greetings, without_retracing
from compiler.options import Options, refuse_unread

os.environ.setdefault(LEVEL, "3")  # read by TensorFlow as it is imported
with without_greetings():
    from compiler.pipeline import analyse, finish, priced
    from compiler.report.page import page
    from compiler.report.progress import Lines, Progress, Silent
    from compiler.result import Result
    from compiler.run.cached_menus import Menus
    from compiler.run.finished import Finished, plan_of
    from compiler.run.front import FrontPoint, front_of, solve
    from compiler.run.layers import LayerFacts, layers_of
    from compiler.run.name_arguments import name_arguments
    from compiler.run.plan_json import plan_json
    from compiler.run.plan_options import plan_options
    from compiler.run.session import Session
    from compiler.run.write_files import write_files
    from compiler.run.write_result import write_result
    from compiler.types import Plan

OUR_OWN = ("input_path", "output_path", "plan", "evaluate", "quiet", "json", "save_keras")  # options of a command line


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is known of a network before it is compressed. Made by `analyze`; costs nothing until it is asked."""

    session: Session
    source: Path | Any
    seconds: float  # that the analysis took

    @cached_property
    def layers(self) -> tuple[LayerFacts, ...]:
        """Every layer with weights, in graph order: what of it can be compressed, or the reason why nothing can."""
        with without_retracing():
            return layers_of(self.session)

    def front(self, budget: str = "params", points: int = 12) -> tuple[FrontPoint, ...]:
        """Plans that no other beats at their price: at most `points`, from the smallest up to the whole network.

        `budget`: "params" (stored weight bytes), "bytes" (of the file) or "macs". Every point is an exact optimum over
        this target's menus (Everett 1963); losses of layers are taken to add, so they are predictions.
        """
        with without_retracing():
            return front_of(self.session, self._offered, budget, points)

    def solve(self, *, params: float | None = None, bytes: float | None = None, macs: float | None = None) -> Plan:
        """The plan of least predicted loss that keeps at most this share of the original, in one unit of three.

        `params` stored weight bytes, `bytes` of the file, `macs`; each in (0, 1]. The price is the menu's: the file
        that a plan leads to is priced exactly in weight bytes on TFLite targets, and to a percent or so in file bytes.
        Raises Infeasible with the smallest reachable share, BadInput unless exactly one unit is given.
        """
        given = {k: v for k, v in (("params", params), ("bytes", bytes), ("macs", macs)) if v is not None}
        if len(given) != 1:
            raise BadInput("solve takes one budget: params=, bytes= or macs=, the share to keep, such as params=0.5.")
        ((budget, factor),) = given.items()
        if not 0 < factor <= 1:
            raise BadInput(f"{budget}={factor:g} is no share to keep; give a number above 0 and up to 1, such as 0.5.")
        with name_arguments({"compression_factor": budget}), without_retracing():
            solution = solve(self.session, self._offered, budget, factor)
        return plan_of(self.session, solution.choices, solution.predicted_loss)

    def compress(self, plan: Plan | None = None, *, finetune: Callable[[Any], Any] | None = None) -> Compressed:
        """`compiler.compress` of the network that was analysed, without analysing it again."""
        began = time.monotonic() - self.seconds
        with name_arguments(), without_retracing():
            done = finish(self.session, plan, self._offered, finetune=finetune, began=began)
        return Compressed(done, self.session.options)

    @cached_property
    def _offered(self) -> Menus:
        with without_retracing():
            return priced(self.session)


@dataclass(frozen=True, eq=False)
class Compressed:
    """A finished compression, in memory: nothing is written until `save` or `report`."""

    done: Finished
    options: Options

    @property
    def result(self) -> Result:
        """Sizes, layers, evidence, verification and provenance, as the report has them."""
        return self.done.result

    @property
    def tflite(self) -> bytes:
        """The int8 file."""
        return self.done.tflite

    @property
    def plan(self) -> Plan:
        """What each layer became. Saved as JSON it replays with `--plan`, but for what `finetune=` did."""
        return self.done.plan

    @property
    def model(self) -> Any:
        """The compressed Keras model that the file was quantized from."""
        return self.done.model

    def save(self, path: str | Path) -> Path:
        """Write the file to `path`, its plan and its reports beside it, all or none; returns `path`.

        Raises BadInput where `path` does not end in .tflite or can't be written.
        """
        path = Path(path)
        if path.suffix != ".tflite":
            raise BadInput(f"{path} does not end in .tflite; name a file such as {path.stem}.tflite.")
        result = replace(self.result, output_path=str(path))
        with name_arguments({"output_path": "path"}):
            write_result(replace(self.options, output_path=path), replace(self.done, result=result))
        return path

    def report(self, path: str | Path) -> Path:
        """Write the page alone: verdict, front, layers, graph, inputs and provenance in one file; returns `path`.

        Raises BadInput where `path` can't be written.
        """
        with name_arguments({"output_path": "path"}):
            write_files({Path(path): page(self.result).encode()})
        return Path(path)

    def save_plan(self, path: str | Path) -> Path:
        """Write the plan alone as JSON; returns `path`. Raises BadInput where `path` can't be written."""
        with name_arguments({"output_path": "path"}):
            write_files({Path(path): plan_json(self.plan).encode()})
        return Path(path)


def analyze(
    model: Any,
    target: str = "mobile",
    *,
    evaluate: Evaluate | None = None,
    progress: bool | Progress = False,
    **options: Any,
) -> Analysis:
    """Read a network and find out what its layers see and what its output feels of them.

    model     a Keras model, which stays as it is, or the path of a .keras or .h5 file.
    target    the device: "mobile", "xcore", "cortex_m", "ethos_u", …
    evaluate  a score of your own, `evaluate(predict)`: called with a function from inputs, as the network is fed them
              (one float array (n, …), or a list of one for each input), to outputs (n, …); returns a number, or one
              for each example, the higher the better. Without it (and without `data`) losses are estimated on
              synthetic inputs.
    progress  True: tell on standard error what is being done.
    options   the flags of `scripts/compress.py`, under their names: `pruning_structure="block"`, `seed=1`, ….

    Raises BadInput for a bad option, UnsupportedModel for a network that can't be read. Takes from seconds to a minute
    or two, most of it for synthetic inputs, which are kept for the next time.
    """
    with name_arguments(), without_retracing():
        return _analyze(model, _options(model, target, options), evaluate, progress)


def compress(
    model: Any,
    plan: Plan | None = None,
    *,
    evaluate: Evaluate | None = None,
    finetune: Callable[[Any], Any] | None = None,
    progress: bool | Progress = False,
    **options: Any,
) -> Compressed:
    """Compress a network in memory; nothing is written.

    model     a Keras model, which stays as it is, or the path of a .keras or .h5 file.
    plan      of `Analysis.solve` or `Compressed.plan`. Without one the plan is searched as `options` say:
              `compression_factor=0.5`, or `method="fixed_loss", max_acc_loss=0.01`.
    evaluate  see `analyze`.
    finetune  `finetune(model)`: called once, after the layers have been refitted and before they are quantized, with
              the compressed Keras model: factors, sparse kernels, biases, all trainable. Train it as you like and
              return it, or None. Pruned weights stay zero whatever the training does. The plan does not hold what the
              training did.
    options   as in `analyze`; with a plan, those that it has not decided.

    Raises BadInput, UnsupportedModel, Infeasible where the budget can't be met, CheckFailed where a check of the
    emitted file fails.
    """
    with name_arguments(), without_retracing():
        asked = _options(model, options.pop("target", plan.target if plan else "mobile"), options)
        if plan is not None:
            asked = plan_options(asked, plan)
        analysis = _analyze(model, asked, evaluate, progress, plan)
        began = time.monotonic() - analysis.seconds
        return Compressed(finish(analysis.session, plan, finetune=finetune, began=began), asked)


def _analyze(
    model: Any, options: Options, evaluate: Evaluate | None, progress: bool | Progress, plan: Plan | None = None
) -> Analysis:
    began = time.monotonic()
    source = Path(model) if isinstance(model, str | Path) else model
    telling = (Lines(sys.stderr) if progress else Silent()) if isinstance(progress, bool) else progress
    session = analyse(options, source, evaluate=evaluate, progress=telling, plan=plan)
    return Analysis(session, source, time.monotonic() - began)


def _options(model: Any, target: str, given: dict[str, Any]) -> Options:
    known = [f.name for f in fields(Options) if f.name not in OUR_OWN]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise BadInput(f"there is no option {unknown[0]!r}; use one of {', '.join(known)}.")
    refuse_unread(given)
    path = Path(model) if isinstance(model, str | Path) else Path(str(getattr(model, "name", "model")))
    for name in ("calibration_data", "data"):
        if name in given and isinstance(given[name], Path):
            given[name] = str(given[name])
    return Options(input_path=path, output_path=path.with_suffix(".tflite"), target=target, **given)
