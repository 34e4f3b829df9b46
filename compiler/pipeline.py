"""The compiler, from a trained network to the file of a compressed one: one stage a line, for the library and the
command line alike.

Everything that searches ends in a `Plan`; everything behind the plan is a pure function of the network, the plan and
the calibration inputs. Nothing is written before the emitted file has been loaded back, run and checked.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.evidence.check_range import check_span
from compiler.evidence.evaluate import Evaluate
from compiler.frontend.read_network import read_network
from compiler.options import Options
from compiler.report.progress import Progress, Silent
from compiler.result import Result
from compiler.run.broken_limits import broken_limits
from compiler.run.cache import Cache
from compiler.run.cached_menus import Menus
from compiler.run.cached_study import cached_study
from compiler.run.calibration_inputs import calibration_inputs
from compiler.run.cluster import on_cluster
from compiler.run.configure_tensorflow import configure_tensorflow
from compiler.run.details_of import details_of
from compiler.run.examples import held_out_examples, load_examples
from compiler.run.finished import Finished, finished
from compiler.run.found import Found
from compiler.run.lean_network import lean_network
from compiler.run.plan_json import read_plan
from compiler.run.plan_options import plan_options
from compiler.run.price_zeros import price_zeros
from compiler.run.refuse_chance import refuse_chance
from compiler.run.search import carry_out, known_offer, offer, plan_name, refuse_other_network, search, share
from compiler.run.session import Session
from compiler.run.summary import summarise
from compiler.run.target_of import target_of
from compiler.run.write_result import write_result
from compiler.surgery.finetune import Finetune
from compiler.types import Plan


def compress(options: Options, *, progress: Progress | None = None) -> Result:
    """Compress `options.input_path` into `options.output_path`, its plan and its report beside it.

    Raises BadInput, Infeasible or CheckFailed, each in one sentence and with nothing written.
    """
    began = time.monotonic()
    plan = None if options.plan is None else read_plan(options.plan)
    options = options if plan is None else plan_options(options, plan)
    session = analyse(options, options.input_path, progress=progress, plan=plan)
    done = finish(session, plan, began=began)
    return write_result(options, done)


def analyse(
    options: Options,
    source: Path | Any,
    *,
    evaluate: Evaluate | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
) -> Session:
    """Everything that has to be known of the network in `source` (a file, or a Keras model) before it is compressed;
    `plan`: what then is carried out, if that is known.

    Raises BadInput or UnsupportedModel.
    """
    progress = progress or Silent()
    configure_tensorflow()
    target, cache = target_of(options), Cache(enabled=not options.no_cache)

    progress.stage("Reading the network")
    network = read_network(source, model_name=options.model, input_shape=options.input_shape, exclude=options.exclude)
    if plan is not None:
        refuse_other_network(plan, network, plan_name(options))
    examples = load_examples(options, network, replayed=plan is not None)
    if examples is not None:
        refuse_chance(examples, network)
    taught = calibration_inputs(network, options, cache, progress)
    network = lean_network(network, target, options, progress.note)
    network = replace(network, inventory=price_zeros(network.inventory, network.folded))
    if examples is not None and options.input_range is None:
        check_span(examples.data, taught.inputs, "--data")
    if examples is not None and not examples.classifier:
        network = replace(network, classifier=False)

    knowledge = cached_study(network, taught.inputs, taught.source, options.seed, cache, progress)

    examples = examples or held_out_examples(knowledge.held_out, network.classifier, options.calibration_data)
    return Session(options, target, network, knowledge, examples, cache, progress, evaluate, taught.spans)


def finish(
    session: Session,
    plan: Plan | None = None,
    offered: Menus | None = None,
    *,
    finetune: Finetune | None = None,
    began: float,
) -> Finished:
    """Search, or carry out `plan`; then check the file. `offered`: the menus, where they are known already; `began`:
    the reading of the monotonic clock that the report counts from.

    Raises Infeasible, BadInput or CheckFailed.
    """
    _ = session.reference  # a tool that is missing or refuses the network says so before anything is searched
    if plan is None:
        offered = offered or priced(session)
        found = search(session, session.original, offered)
    else:
        offered = offered or known_offer(session)
        found = carry_out(session, plan, offered, plan_name(session.options))
    if finetune is not None:
        found = finetuned(session, found, finetune)

    session.progress.stage("Checking the file")
    result = summarise(session, found, time.monotonic() - began)
    return finished(session, found, replace(result, details=details_of(session, found, offered)))


def priced(session: Session) -> Menus:
    """The menus of all sites, made on `--cluster` where there is one."""
    with on_cluster(session.options.cluster):
        return offer(session)


def finetuned(session: Session, found: Found, hook: Finetune) -> Found:
    """The plan that was found, with the weights that the user's training gives it, measured anew."""
    built = session.finetune(found.built, hook)
    notes = found.notes
    kept, asked = share(built.emitted, session.original, session.options.budget), session.options.compression_factor
    if session.options.method == "fixed_params" and not found.replayed and kept > asked:
        notes += (f"fine-tuning gave values to biases that were zero: {100 * kept:.2f} % are kept now",)
    notes += broken_limits(session, built.emitted)
    evidence = session.measure(built.emitted.tflite, "report")
    return replace(found, built=built, evidence=evidence, notes=notes)
