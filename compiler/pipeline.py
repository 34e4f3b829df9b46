"""The compiler, from the file of a trained network to the file of a compressed one: one stage a line.

Everything that searches ends in a `Plan`; everything behind the plan is a pure function of the network, the plan and
the calibration inputs. Nothing is written before the emitted file has been loaded back, run and checked.
"""

from __future__ import annotations

import time

from compiler.backend.targets import TARGETS
from compiler.datafree.study import study
from compiler.frontend.read_network import read_network
from compiler.options import Options
from compiler.report.progress import Progress, Silent
from compiler.result import Result
from compiler.run.cache import Cache
from compiler.run.calibration_inputs import calibration_inputs
from compiler.run.examples import load_examples, synthetic_examples
from compiler.run.search import replayed, search
from compiler.run.session import Session
from compiler.run.set_threads import set_threads
from compiler.run.summary import summarise
from compiler.run.write_result import write_result


def compress(options: Options, *, progress: Progress | None = None) -> Result:
    """Compress `options.input_path` into `options.output_path`, its plan and its report beside it.

    Raises BadInput, Infeasible or CheckFailed, each in one sentence and with nothing written.
    """
    began = time.monotonic()
    progress = progress or Silent()
    set_threads(options.jobs)
    target, cache = TARGETS[options.target], Cache(enabled=not options.no_cache)

    progress.stage("Reading the network")
    network = read_network(
        options.input_path, model_name=options.model, input_shape=options.input_shape, exclude=options.exclude
    )
    examples = load_examples(options, network)
    inputs, source = calibration_inputs(network, options, cache, progress)

    progress.stage("Studying what layers see and what the output feels", total=2)
    knowledge = study(network, inputs, source, options.seed, progress.advance)

    examples = examples or synthetic_examples(knowledge.held_out, network.classifier)
    session = Session(options, target, network, knowledge, examples, cache, progress)
    original = session.emit_original()
    found = replayed(session, original) if options.plan else search(session, original)

    progress.stage("Checking the file")
    result = summarise(session, original, found, time.monotonic() - began)
    write_result(options, found, result)
    return result
