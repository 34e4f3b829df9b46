"""One row of the comparison, in this process: `compare.py` starts one for each, so that time and memory are its own.

    python benchmarks/peers/row.py NETWORK METHOD BUDGET DATA [--jobs 2]

prints one line of JSON. The clock runs from the network in normal form, inputs at hand, to the int8 file; the peak of
memory is taken when it stops. Then the file is measured as the compiler measures its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers import DATA, METHODS
from compiler.errors import CompilerError, Infeasible

CORRECTIONS = 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("budget", type=float)
    parser.add_argument("data", choices=DATA)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--inputs_only", action="store_true", help="make the inputs, outside of any clock, and stop")
    given = parser.parse_args()
    try:
        row = measured(given.network, given.method, given.budget, given.data, given.jobs, given.inputs_only)
    except CompilerError as error:
        row = {"error": str(error), "infeasible": isinstance(error, Infeasible)}
    print(json.dumps(row))
    return 0


def measured(
    network: str, method: str, budget: float, data: str, jobs: int, inputs_only: bool = False
) -> dict[str, Any]:
    """The row's figures. Raises CompilerError with the sentence that stands in the row instead."""
    from benchmarks.peers.bench import read_bench

    bench = read_bench(network, data, budget, jobs)
    if inputs_only:
        return {}
    session = bench.session
    original, reference = session.original, session.reference
    known = METHODS[method]
    compress = known.load()

    began, processor, granted = time.monotonic(), time.process_time(), budget
    for correction in range(1, CORRECTIONS + 1):
        answer = compress(replace(bench, budget=granted), **dict(known.settings))
        if answer.tflite is None:
            emitted, _ = session.emit_rounded(answer.model, answer.blocks, answer.few_bits)
        else:
            emitted = foreign(answer.tflite)
        kept = emitted.figures.stored_weight_bytes / original.figures.stored_weight_bytes
        if kept <= budget:
            break
        if answer.tflite is not None:
            raise Infeasible(f"its file keeps {kept:.4f}, and there is nothing to set.")
        granted -= correction * (kept - budget + 1e-4)  # prices are estimates until there is a file
    else:
        raise Infeasible(f"the smallest file that was found keeps {kept:.4f}.")
    seconds, processor_seconds = time.monotonic() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    evidence = session.measure(emitted.tflite, "report")
    if answer.tflite is None:
        before, after = session.target.measure_in_turn(original.tflite, emitted.tflite, reference.inputs)
        ratio = after.time / before.time if after.time_ratio is None else after.time_ratio.median
        arena, arena_ratio = after.arena_bytes, after.arena_bytes / before.arena_bytes
    else:  # 4-bit tensors, which our reader of graphs does not know
        ratio, arena, arena_ratio = foreign_time(original.tflite, emitted.tflite, reference.inputs), None, None
    return {
        "kept": kept,
        "file_kept": emitted.figures.file_bytes / original.figures.file_bytes,
        "file_bytes": emitted.figures.file_bytes,
        "arena_bytes": arena,
        "arena_ratio": arena_ratio,
        "latency_ratio": ratio,
        "macs_kept": emitted.figures.macs / original.figures.macs,
        "metric": evidence.metric,
        "tier": evidence.tier,
        "original": evidence.original,
        "compressed": evidence.compressed,
        "loss": evidence.loss,
        "interval": evidence.interval,
        "examples": evidence.examples,
        "classes": bench.network.classes,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "peak_memory_bytes": peak,
        "notes": list(answer.notes),
    }


def foreign_time(original: bytes, tflite: bytes, inputs: list[Any]) -> float:
    """Time of a foreign file as a share of the original's, the two measured in turn."""
    from compiler.backend.targets.samples import samples_of
    from compiler.backend.targets.time_in_turn import ratio_of, time_in_turn

    return ratio_of(time_in_turn([(file, samples_of(file, inputs)[0]) for file in (original, tflite)])).median


def foreign(tflite: bytes) -> Any:
    """A file that another tool has made, as if it were of our own emitting; all constants but shapes are weights."""
    from ai_edge_litert import schema_py_generated as schema

    from compiler.backend.stored_bytes import macs
    from compiler.result import StoredFigures
    from compiler.run.session import Emitted
    from compiler.tflite import flatbuffer

    model = flatbuffer.read(tflite)
    used = {
        t.buffer: len(model.buffers[t.buffer].data)
        for graph in model.subgraphs
        for t in graph.tensors
        if model.buffers[t.buffer].data is not None
        and (t.type != schema.TensorType.INT32 or (t.quantization is not None and t.quantization.scale is not None))
    }
    weights = sum(used.values())
    return Emitted(tflite, None, StoredFigures(weights, weights, len(tflite), macs(tflite)))


if __name__ == "__main__":
    sys.exit(main())
