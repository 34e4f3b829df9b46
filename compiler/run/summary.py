"""Check the emitted file against every claim, and say what it is: the `Result`."""

from __future__ import annotations

import importlib.metadata
import resource
import sys
from dataclasses import replace
from itertools import repeat

import keras
import numpy as np

from compiler.backend.verify import KERNELS, verify
from compiler.errors import CheckFailed
from compiler.frontend.feed import feed
from compiler.result import Evidence, Provenance, Result, Verification, report_left, report_site
from compiler.run.attempt import MEASURED, share
from compiler.run.found import Found
from compiler.run.lean_network import left_out
from compiler.run.on_target import on_target
from compiler.run.session import Emitted, Session
from compiler.run.versions import versions
from compiler.types import DENSE

LEAST_SNR_DB = -6.0  # noise of four times the signal's power
WORTH_A_HINT = 0.03  # loss
SAMPLES = 64  # inputs on which the file is compared with its float model


def summarise(session: Session, found: Found, seconds: float) -> Result:
    """Verify the file (operators, types, agreement with its float model, budget, the target's own tool) and gather what
    is known of it.

    Raises CheckFailed where a claim does not hold.
    """
    options, network, built, original = session.options, session.network, found.built, session.original
    verification = verified(session, built.emitted)
    if not (found.replayed or dict(built.realised.gates).get("finetune")):
        check_budget(session, original, built.emitted)
    on = on_target(session.confined, session.reference, built.emitted.tflite)
    cost = session.target.cost
    rows = tuple(
        report_site(site, choice, cost(site, DENSE), cost(site, choice), loss)
        for site, (_, choice), loss in zip(
            network.inventory.sites, built.choices, built.losses or repeat(None), strict=False
        )
    ) + tuple(report_left(left) for left in network.inventory.left)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Result(
        input_path=str(options.input_path),
        output_path=str(options.output_path),
        method=options.method,
        budget=options.budget,
        target=options.target,
        io=options.io,
        original=original.figures,
        compressed=built.emitted.figures,
        layers=rows,
        evidence=with_search(session, found),
        verification=verification,
        provenance=Provenance(
            versions=versions(),
            seed=options.seed,
            model_hash=network.hash,
            calibration_source=session.knowledge.source,
            calibration_hash=session.knowledge.calibration_hash,
            gates=built.realised.gates,
            settings=settings(session),
            seconds=seconds,
            peak_memory_bytes=peak,
        ),
        asked_factor=options.compression_factor if options.method == "fixed_params" and not found.replayed else None,
        max_acc_loss=options.max_acc_loss if options.method == "fixed_loss" and not found.replayed else None,
        predicted_loss=built.predicted_loss,
        on_target=on,
        original_int8=session.measure(original.tflite, "report").compressed,
        notes=(
            *found.notes,
            *left_out(network),
            *given_file(session),
            *taken_for(session),
            *way_out(session, found.evidence),
        ),
        counted=session.target.counted,
    )


def given_file(session: Session) -> tuple[str, ...]:
    """How large the input is, where it is an int8 file already."""
    quantized = session.network.quantized
    if quantized is None:
        return ()
    return (
        f"the input is an int8 file already, of {quantized.file_bytes:,} B; the original's figures are those of its "
        f"network through this compiler's converter, {session.original.figures.file_bytes:,} B",
    )


def taken_for(session: Session) -> tuple[str, ...]:
    """What the answers are taken for where the network doesn't tell, and labels that this leaves unread."""
    network, examples = session.network, session.examples
    if session.evaluate is not None or examples.score is not None:
        return ()
    if network.classifier and not network.ends_in_probabilities and examples.data.y is None:
        return (
            "without a softmax or labels the outputs are taken for classes; where they are quantities, give examples "
            "with them as --data, or --evaluate",
        )
    if not examples.classifier and examples.data.y is not None:
        return (
            "the outputs are taken for quantities, so the loss is how far they move and the labels are not read; score "
            "them with --evaluate module:function",
        )
    return ()


def way_out(session: Session, evidence: Evidence) -> tuple[str, ...]:
    """Four bits, where much is lost that they might keep."""
    options, target = session.options, session.target
    offered = options.weight_bits is not None or options.plan is not None or target.weight_bits < 8
    if offered or evidence.metric == "score" or evidence.loss <= WORTH_A_HINT or 4 not in target.held_bits:
        return ()
    return ("kernels of four bits may lose less in as many bytes: try --weight_bits 4",)


def with_search(session: Session, found: Found) -> Evidence:
    """The evidence with what the search saw."""
    seen = len(session.examples.part("search")) if found.evaluations else 0
    return replace(found.evidence, search_loss=found.search_loss, search_examples=seen, evaluations=found.evaluations)


def verified(session: Session, emitted: Emitted) -> Verification:
    """The file beside the float model that it was made from and beside the original, on held-out inputs."""
    inputs = [x[:SAMPLES] for x in session.knowledge.held_out]
    expected, original = (
        [np.asarray(z) for z in keras.tree.flatten(model.predict_on_batch(feed(model, inputs)))]
        for model in (emitted.model, session.network.normal)
    )
    options, kernels = session.options, session.target.kernels
    seen = verify(emitted.tflite, expected, original, inputs, io=options.io, kernels=kernels, threads=options.jobs)
    if seen.quantized.snr_db < LEAST_SNR_DB:
        raise CheckFailed(
            f"the int8 file's answers have nothing to do with those of the float model that it was made from (SNR "
            f"{seen.quantized.snr_db:.1f} dB): ask for less compression, or give --calibration_data."
        )
    return Verification(
        interpreter=f"ai_edge_litert {importlib.metadata.version('ai-edge-litert')}, {KERNELS[kernels]}",
        examples=seen.samples,
        source="held-out calibration inputs",
        snr_db=seen.quantized.snr_db,
        top1_agreement=seen.quantized.top1_agreement if session.network.classifier else None,
        original_snr_db=seen.original.snr_db,
        original_top1_agreement=seen.original.top1_agreement if session.network.classifier else None,
        operators=seen.operators,
    )


def check_budget(session: Session, original: Emitted, emitted: Emitted) -> None:
    """The budget in the emitted file, not in the plan."""
    options = session.options
    if options.method != "fixed_params":
        return
    kept = share(emitted, original, options.budget)
    if kept > options.compression_factor:
        unit = MEASURED[options.budget].replace("_", " ")
        raise CheckFailed(
            f"the file keeps {100 * kept:.2f} % of the original's {unit}, more than the "
            f"{100 * options.compression_factor:g} % asked for; ask for a little less, and report this network."
        )


def settings(session: Session) -> tuple[tuple[str, str], ...]:
    """The flags that change the result."""
    options = session.options
    names = (
        "pruning_structure",
        "block_size",
        "compression_type",
        "weight_bits",
        "method",
        "budget",
        "input_range",
        "io",
        "exclude",
    )
    limits = ("max_acc_loss", "max_file_bytes", "max_arena_bytes", "max_latency_ratio", "accelerator")
    return tuple((name, str(getattr(options, name))) for name in (*names, *limits, "recover", "calibration_data"))
