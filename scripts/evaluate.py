"""Accuracy of a network, .keras, .h5 or .tflite, on labelled examples.

python scripts/evaluate.py --input_path models/digits.keras --data digits
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from compiler.errors import BadInput, CompilerError
from compiler.evidence.accuracy import top1
from compiler.evidence.chance import knows_little
from compiler.evidence.intervals import clopper_pearson
from compiler.evidence.load_data import load_data
from compiler.flags import Parser, add_data_flags, joined
from compiler.options import Options
from compiler.report.hush import hush

BATCH = 64
CHANCE = (
    "HARDLY BETTER THAN CHANCE: are --input_scale, --input_mean and --input_std those of training, and the labels "
    "numbered as its answers are?"
)

Shape = tuple[int | None, ...]
Network = tuple[Callable[[tuple[np.ndarray, ...]], np.ndarray], tuple[Shape, ...], Shape]  # run, inputs, output


def main() -> int:
    parser = Parser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--input_path", type=Path, required=True, help="the network: .keras, .h5 or .tflite")
    add_data_flags(parser)
    try:
        given = vars(parser.parse_args(joined(sys.argv[1:])))
        with hush():
            line = evaluate(Options(output_path=Path(), **given))
    except CompilerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(line)
    return 0


def evaluate(options: Options) -> str:
    """A line: the share of right answers with its exact 95 % interval."""
    path = options.input_path
    if options.data is None:
        raise BadInput("--data is missing; give labelled examples, such as --data digits.")
    run, inputs, output = (_tflite if path.suffix == ".tflite" else _keras)(path)
    if output[-1] in (None, 1) or any(n != 1 for n in output[:-1]):
        raise BadInput(f"{path} is no classifier (an example's output is {output}); accuracy is for classes.")
    data = load_data(
        options.data,
        input_shape=inputs,
        classes=output[-1],
        input_scale=options.input_scale,
        input_mean=options.input_mean,
        input_std=options.input_std,
        limit=options.eval_samples,
    )
    if data.y is None:
        raise BadInput(f"--data {data.name} has no labels; add them as y.")
    answers = np.concatenate([top1(run(batch)) for batch in data.batches(BATCH)])
    right = int(np.sum(answers == data.y))
    low, high = clopper_pearson(right, len(data))
    little = knows_little(answers, data.y)
    return (
        f"{path}: {100 * right / len(data):.1f} % right, {right} of {len(data)} of {data.name}, "
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %" + (f"; {CHANCE}" if little else "")
    )


def _keras(path: Path) -> Network:
    from compiler.frontend.load import load

    model = load(path)
    if len(model.outputs) != 1:
        raise BadInput(f"{path} has {len(model.outputs)} outputs; accuracy is for networks of one.")

    def run(batch: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.asarray(model(batch[0] if len(batch) == 1 else list(batch), training=False))

    return run, tuple(tuple(x.shape[1:]) for x in model.inputs), tuple(model.outputs[0].shape[1:])


def _tflite(path: Path) -> Network:
    from compiler.backend import verify
    from compiler.tflite import flatbuffer

    if not path.is_file():
        raise BadInput(f"--input_path {path} does not exist; give the path of a .tflite file.")
    file = path.read_bytes()
    graph = flatbuffer.subgraph(flatbuffer.read(file))
    inputs, outputs = (
        tuple(flatbuffer.shape_of(graph.tensors[i])[1:] for i in indices) for indices in (graph.inputs, graph.outputs)
    )
    if len(outputs) != 1:
        raise BadInput(f"{path} has {len(outputs)} outputs; accuracy is for networks of one.")
    return lambda batch: verify.run(file, batch)[0], inputs, outputs[0]


if __name__ == "__main__":
    sys.exit(main())
