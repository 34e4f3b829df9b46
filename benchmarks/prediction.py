"""Does the sum of predicted losses, before the refit, track what the plan then does to the logits?

    python benchmarks/prediction.py                         every network that has no result yet
    python benchmarks/prediction.py --network resnet20

For each network and share kept the solver's plan is fitted layer by layer, without refit, and the change of the logits
is measured in nats, ½ E‖P(z' − z)‖², on held-out synthetic inputs and on the network's own images. At the end: the
correlation of the logarithms over all rows, and the worst ratio of measured to predicted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suites import NETWORKS, present  # noqa: E402
from compiler.errors import Infeasible  # noqa: E402
from compiler.flags import parse  # noqa: E402
from compiler.pipeline import analyse  # noqa: E402
from compiler.run.search import offer  # noqa: E402
from compiler.solver.fixed_params import fixed_params  # noqa: E402
from compiler.surgery.realise import Divergence, fit_all  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "prediction.json"
MEASURED = ("digits", "resnet8", "resnet20", "resnet20_jpeg", "resnet32", "vgg8_jpeg", "mobilenet", "ds_cnn")
BUDGETS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(NETWORKS), action="append", help="default: all with labels")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too [default: off]")
    arguments = parser.parse_args()
    rows: dict[str, Any] = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    for network in present(arguments.network or MEASURED):
        if not arguments.again and any(name.startswith(f"{network} ") for name in rows):
            continue
        for budget, row in measured(network):
            rows[f"{network} {budget:.2f}"] = row
            print(line(f"{network} {budget:.2f}", row), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"suite": "prediction", **summary(rows), "rows": rows}, indent=1) + "\n")
    for key, value in summary(rows).items():
        print(f"{key.replace('_', ' ')}: {value:.3f}")
    return 0


def measured(network: str) -> Iterator[tuple[float, dict[str, float]]]:
    """One row a budget that can be met."""
    bench = NETWORKS[network]
    flags = [f"--input_path={bench.file}", "--output_path=unused.tflite", f"--data={bench.data}", *bench.inputs]
    options = parse(flags)
    session = analyse(options, options.input_path)
    offered = offer(session)
    whole = session.original.figures.cost
    held_out = Divergence(session.network, session.knowledge.held_out)
    images = Divergence(session.network, session.examples.inputs(session.examples.part("report")))
    for budget in BUDGETS:
        try:
            solution = fixed_params(offered, session.inventory, session.target, whole, budget)
        except Infeasible as error:
            print(f"left out: {network} {budget:.2f}: {error}", flush=True)
            continue
        fitted = fit_all(session.network, session.knowledge, dict(solution.choices), options.jobs)
        yield (
            budget,
            {
                "predicted": solution.predicted_loss,
                "held_out": held_out.nats(fitted),
                "images": images.nats(fitted),
                "relative": held_out(fitted),
            },
        )


def summary(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """Correlation of logarithms and worst ratios over all rows; {} where there are fewer than three."""
    if len(rows) < 3:
        return {}
    predicted, held_out, images = (
        np.array([row[key] for row in rows.values()]) for key in ("predicted", "held_out", "images")
    )
    found = {}
    for name, seen in (("held_out", held_out), ("images", images)):
        ratio = np.log(seen / predicted)
        found[f"correlation_{name}"] = float(np.corrcoef(np.log(predicted), np.log(seen))[0, 1])
        found[f"worst_ratio_{name}"] = float(np.exp(np.max(np.abs(ratio))))
    return found


def line(name: str, row: dict[str, float]) -> str:
    return (
        f"| {name} | predicted {row['predicted']:.3f} nats | held out {row['held_out']:.3f} "
        f"({row['held_out'] / row['predicted']:.2f} times) | images {row['images']:.3f} "
        f"({row['images'] / row['predicted']:.2f} times) | relative {row['relative']:.4f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
