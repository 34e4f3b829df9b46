"""What each ingredient of the engine is worth: every one left out in turn, and plain Tucker for comparison.

    python benchmarks/ablation.py                                     every network and budget that has no result yet
    python benchmarks/ablation.py --network resnet20_jpeg --budgets 0.7,0.5,0.3

Each row is a network, a variant and a budget: the drop of accuracy of the emitted int8 file on labelled images that
nothing else here looks at, the relative divergence of the logits on held-out synthetic inputs and on those images, and
what the metric had predicted before the refit beside what was measured then. Rows are written to
`benchmarks/results/ablation.json` as they come; those that are there are kept, `--again` repeats them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suites import NETWORKS, SHARED, present  # noqa: E402
from compiler.backend.targets.target import Target  # noqa: E402
from compiler.datafree.study import Study, study  # noqa: E402
from compiler.datafree.synthesize import synthesize  # noqa: E402
from compiler.decompose.metric import Metric  # noqa: E402
from compiler.flags import parse  # noqa: E402
from compiler.pipeline import analyse  # noqa: E402
from compiler.run.cached_menus import Menus  # noqa: E402
from compiler.run.calibrate_menus import calibrate_menus  # noqa: E402
from compiler.run.menus import menus  # noqa: E402
from compiler.run.session import Session, blocks_of  # noqa: E402
from compiler.solver.candidates import menu_of  # noqa: E402
from compiler.solver.fixed_params import fixed_params  # noqa: E402
from compiler.surgery.realise import Divergence, fit_all, realise  # noqa: E402
from compiler.surgery.set_kernels import kernel_of  # noqa: E402
from compiler.surgery.split_convs import split_convs  # noqa: E402
from compiler.types import Choice, ConvSite, Cost, Inventory  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "ablation.json"
MEASURED = ("resnet20_jpeg", "resnet20", "resnet32", "vgg8_jpeg")
BUDGETS = (0.7, 0.6, 0.5, 0.4, 0.3)
REAL_IMAGES = SHARED / "data" / "cifar10_train4000.npz"


@dataclass(frozen=True, slots=True)
class Variant:
    """The engine as it is by default, but for what is named here."""

    flags: tuple[str, ...] = ()
    inputs: str = "synthetic"  # or "noise": before any step of synthesis; "real": unlabelled images
    output_metric: bool = True  # Γ; False: the identity
    input_metric: bool = True  # Σ; False: the identity
    calibrated: bool = True  # one measured scale a site
    allocation: str = "exact"  # or "uniform": the same share of every site; "ratio": one rank ratio, plain Tucker
    refit: bool = True
    equalised: bool = True
    rounded: bool = True  # kernels with the inputs in view; False: to the nearest
    components: bool = True  # CP chains on the menu
    branches: bool = True  # sparse branches on it, alone and beside chains


VARIANTS: dict[str, Variant] = {
    "everything": Variant(),
    "plain Tucker, one rank ratio": Variant(
        ("--compression_type=tucker",), output_metric=False, input_metric=False, allocation="ratio", refit=False,
        calibrated=False,
    ),
    "without Γ": Variant(output_metric=False),
    "without Σ": Variant(input_metric=False),
    "without synthesis (noise)": Variant(inputs="noise"),
    "real images instead": Variant(inputs="real"),
    "without measured scales": Variant(calibrated=False),
    "without allocation (same share of every site)": Variant(allocation="uniform"),
    "without components (CP)": Variant(components=False),
    "without sparse branches": Variant(branches=False),
    "Tucker alone": Variant(("--compression_type=tucker",)),
    "components alone": Variant(("--compression_type=cp",)),
    "without chains": Variant(("--compression_type=spars",)),
    "unstructured only": Variant(("--pruning_structure=unstructured",)),
    "without refit": Variant(refit=False),
    "without equalisation": Variant(equalised=False),
    "without rounding by inputs": Variant(rounded=False),
    "with --recover synthetic": Variant(("--recover=synthetic",)),
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(NETWORKS), action="append", help="default: those with slack")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)), help="shares kept [default: %(default)s]")
    parser.add_argument("--variant", default="", help="variants whose name contains this [default: all]")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too [default: off]")
    arguments = parser.parse_args()
    rows: dict[str, Any] = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    for network in present(arguments.network or MEASURED):
        for name, variant in VARIANTS.items():
            budgets = [float(b) for b in arguments.budgets.split(",")]
            wanted = [b for b in budgets if arguments.again or f"{network} {b:.2f} {name}" not in rows]
            if arguments.variant not in name or not wanted:
                continue
            for budget, row in measured(network, variant, wanted):
                rows[f"{network} {budget:.2f} {name}"] = row
                print(line(f"{network} {budget:.2f} {name}", row), flush=True)
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps({"suite": "ablation", "rows": rows}, indent=1) + "\n")
    return 0


def measured(network: str, variant: Variant, budgets: list[float]) -> Iterator[tuple[float, dict[str, Any]]]:
    """One row a budget."""
    session = prepared(network, variant)
    offered, seconds = offer(session, variant)
    truth = Divergence(session.network, session.examples.inputs(session.examples.part("report")))
    held_out = Divergence(session.network, session.knowledge.held_out)
    figures = session.original.figures
    whole = figures.cost
    for budget in budgets:
        began = time.monotonic()
        choices, predicted = chosen(session, offered, variant, whole, budget)
        plain = held_out.nats(fit_all(session.network, session.knowledge, choices, session.options.jobs))
        with contextlib.ExitStack() as stack:
            if not variant.equalised:
                stack.enter_context(mock.patch("compiler.surgery.realise.equalise", lambda factors, _: factors))
            realised = realise(
                session.network,
                session.knowledge,
                choices,
                seed=0,
                jobs=session.options.jobs,
                recover=session.options.recover == "synthetic",
                decided=None if variant.refit else (("refit", False),),
            )
        model = split_convs(session.network.folded, realised.fitted, choices, session.network.inventory, session.target)
        keep = None if variant.rounded else False
        emitted, _ = session.emit_rounded(model, blocks_of(tuple(choices.items())), keep=keep)
        evidence = session.measure(emitted.tflite, "report")
        yield (
            budget,
            {
                "kept": emitted.figures.stored_weight_bytes / figures.stored_weight_bytes,
                "loss": evidence.loss,
                "interval": evidence.interval,
                "predicted_nats": predicted,
                "measured_nats": plain,
                "divergence_synthetic": realised.divergence,
                "divergence_images": truth(realised.fitted),
                "seconds": time.monotonic() - began + seconds / len(budgets),
            },
        )


def prepared(network: str, variant: Variant) -> Session:
    """The network read and studied as the variant says."""
    bench = NETWORKS[network]
    flags = [f"--input_path={bench.file}", "--output_path=unused.tflite", f"--data={bench.data}", *bench.inputs]
    if variant.inputs == "real":
        flags.append(f"--calibration_data={REAL_IMAGES}")
    options = parse([*flags, *variant.flags])
    session = analyse(options, options.input_path)
    if variant.inputs == "noise":
        read = session.network
        count = sum(len(part[0]) for part in (session.knowledge.inputs, session.knowledge.held_out))
        noise = synthesize(read.normal, read.normal_logits, count, seed=0, classifier=read.classifier, steps=0)
        session = replace(session, knowledge=study(read, noise.inputs, noise.source, 0))
    return replace(session, knowledge=blinded(session.knowledge, variant))


def blinded(knowledge: Study, variant: Variant) -> Study:
    """What is known, less the metrics that the variant does without."""

    def gamma_of(gamma: np.ndarray) -> np.ndarray:
        return gamma if variant.output_metric else np.eye(len(gamma), dtype=gamma.dtype)

    def metric_of(metric: Metric) -> Metric:
        sigma = metric.sigma if variant.input_metric else np.eye(len(metric.sigma), dtype=metric.sigma.dtype)
        return Metric(sigma, gamma_of(metric.gamma))

    metrics = {name: metric_of(metric) for name, metric in knowledge.metrics.items()}
    return replace(knowledge, metrics=metrics, gamma={name: gamma_of(g) for name, g in knowledge.gamma.items()})


def offer(session: Session, variant: Variant) -> tuple[Menus, float]:
    """Menus of all sites, and the seconds they took."""
    began, options, network = time.monotonic(), session.options, session.network
    kernels = {site.name: kernel_of(network.folded, site.name)[0] for site in network.inventory.sites}
    menu = menu_of(options.compression_type, options.pruning_structure, options.block_size)
    if not variant.components:
        menu = replace(menu, chains=tuple(chain for chain in menu.chains if chain != "cp"))
    if not variant.branches:
        menu = replace(menu, structures=(), hybrid=False)
    knowledge = session.knowledge
    priced = menus(network.inventory, kernels, knowledge.metrics, session.target, menu, jobs=options.jobs)
    if variant.calibrated:
        priced = calibrate_menus(network, knowledge, priced, jobs=options.jobs)
    return priced, time.monotonic() - began


def chosen(
    session: Session, offered: Menus, variant: Variant, whole: Cost, budget: float
) -> tuple[dict[str, Choice], float]:
    """One choice a site, and the loss that the metric predicts for them."""
    inventory, target = session.inventory, session.target
    if variant.allocation == "exact":
        solution = fixed_params(offered, inventory, target, whole, budget)
        return dict(solution.choices), solution.predicted_loss
    if variant.allocation == "ratio":
        return one_ratio(inventory, target, whole, budget), float("nan")
    # The largest share of each site's own price under which the whole plan keeps the budget.
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        picks = {site.name: best_within(offered[site.name], middle) for site in inventory.sites}
        fits = keeps(inventory, target, whole, {name: c.choice for name, c in picks.items()}) <= budget
        low, high = (middle, high) if fits else (low, middle)
    picks = {site.name: best_within(offered[site.name], low) for site in inventory.sites}
    return {name: c.choice for name, c in picks.items()}, sum(c.predicted_loss for c in picks.values())


def best_within(entries: Any, share: float) -> Any:
    """The candidate of least predicted loss within a share of the dense price; the cheapest where there is none."""
    dense = max(c.cost.weight_bytes for c in entries if c.choice.is_dense)
    within = [c for c in entries if c.cost.weight_bytes <= share * dense]
    return min(within, key=lambda c: c.predicted_loss) if within else min(entries, key=lambda c: c.cost.weight_bytes)


def one_ratio(inventory: Inventory, target: Target, whole: Cost, budget: float) -> dict[str, Choice]:
    """Tucker-2 with both ranks the same share of the channels everywhere: the largest that keeps the budget."""

    def plan(ratio: float) -> dict[str, Choice]:
        return {site.name: with_ratio(site, ratio) for site in inventory.sites}

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        fits = keeps(inventory, target, whole, plan(middle)) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return plan(low)


def with_ratio(site: ConvSite, ratio: float) -> Choice:
    r_in, r_out = max(1, round(ratio * site.c_in)), max(1, round(ratio * site.c_out))
    if site.kernel_size == (1, 1):
        return Choice("svd", (min(r_in, r_out, site.c_in - 1, site.c_out - 1),))
    return Choice("tucker2", (r_in, r_out))


def keeps(inventory: Inventory, target: Target, whole: Cost, choices: dict[str, Choice]) -> float:
    """Priced share of the stored weights."""
    dense = target.total((site, Choice("dense")) for site in inventory.sites)
    untouched = (whole - inventory.dropped - dense).weight_bytes
    return (untouched + target.total((s, choices[s.name]) for s in inventory.sites).weight_bytes) / whole.weight_bytes


def line(name: str, row: dict[str, Any]) -> str:
    low, high = row["interval"] or (float("nan"), float("nan"))
    return (
        f"| {name} | kept {row['kept']:.4f} | drop {100 * row['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | "
        f"divergence {row['divergence_synthetic']:.4f} synthetic, {row['divergence_images']:.4f} images | "
        f"predicted {row['predicted_nats']:.2f}, measured {row['measured_nats']:.2f} nats | {row['seconds']:.0f} s |"
    )


if __name__ == "__main__":
    sys.exit(main())
