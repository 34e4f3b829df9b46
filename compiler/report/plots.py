"""The plots of the page: matplotlib's SVG, small, with the page's own colours so that they follow light and dark.

matplotlib knows no CSS variables, so each colour of the page is drawn as a stand-in that occurs nowhere else and is
replaced in the text of the SVG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--accent)",
    "#040404": "var(--warm)",
    "#050505": "var(--line)",
}
INK, MUTED, ACCENT, WARM, LINE = COLOURS

Points = Sequence[tuple[float, float]]


def front_plot(
    front: Points, chosen: tuple[float, float | None], tried: Points, unit: str, known: str = "measured"
) -> str:
    """Points are (share kept, loss): predicted in nats, the chosen plan marked; beneath them, where the search tried
    files, what those lost, as far as that is `known`: "measured" or "estimated"."""
    with figure(4.4, 4.4 if tried else 2.6) as (fig, svg):
        axes = fig.subplots(2 if tried else 1, 1, sharex=True, squeeze=False)[:, 0]
        axes[0].plot(*across(front), "-o", color=ACCENT, markersize=3, linewidth=1.4, label="predicted")
        if chosen[1] is not None:
            axes[0].plot(100 * chosen[0], chosen[1], "D", color=WARM, markersize=7, label="this file")
        losses = [loss for _, loss in front if loss > 0]
        axes[0].set_yscale("symlog", linthresh=min(0.1, max(losses, default=0.1) / 10))
        axes[0].set_ylim(bottom=0)
        axes[0].set_ylabel("predicted loss, nats")
        if tried:
            percents = sorted((kept, 100 * loss) for kept, loss in tried)
            axes[1].plot(*across(percents), "o", color=ACCENT, markersize=4, label=f"{known} by the search")
            nearest = min(percents, key=lambda point: abs(point[0] - chosen[0]))
            axes[1].plot(*across([nearest]), "D", color=WARM, markersize=7, label="this file")
            axes[1].set_ylabel(f"{known} loss, %")
        axes[-1].set_xlabel(f"{unit} kept, %")
        for ax in axes:
            ax.legend(frameon=False, labelcolor=INK)
            dress(ax)
        return svg()


def fronts_plot(fronts: Sequence[tuple[str, Points]], unit: str, ylabel: str) -> str:
    """Several fronts in one plot: (label, points)."""
    with figure(4.4, 3.2) as (fig, svg):
        ax = fig.subplots()
        for index, (label, points) in enumerate(fronts):
            colour = (ACCENT, WARM, INK, MUTED)[index % 4]
            style = ("-o", "--s", ":^")[index // 4 % 3]
            ax.plot(*across(points), style, color=colour, markersize=3.5, linewidth=1.2, label=label)
        ax.set_xlabel(f"{unit} kept, %")
        ax.set_ylabel(ylabel)
        ax.legend(frameon=False, labelcolor=INK, fontsize=7)
        dress(ax)
        return svg()


def spectrum_plot(into: Sequence[float], out: Sequence[float], rank_in: int | None, rank_out: int | None) -> str:
    """Energy left beyond each rank, along input and output channels; dots where the plan cuts."""
    from matplotlib.ticker import MaxNLocator

    with figure(3.4, 1.9) as (fig, svg):
        ax = fig.subplots()
        for shares, rank, colour, label in ((into, rank_in, ACCENT, "input"), (out, rank_out, WARM, "output")):
            left = [max(sum(shares[k:]) / sum(shares), 1e-6) for k in range(len(shares) + 1)]
            ax.plot(range(len(left)), left, "-", color=colour, linewidth=1.3, label=f"{label} channels")
            if rank is not None and rank < len(left):
                ax.plot(rank, left[rank], "o", color=colour, markersize=5)
        ax.set_yscale("log")
        ax.set_ylim(8e-5, 1.3)
        ax.set_yticks([1, 1e-2, 1e-4], ["100 %", "1 %", "0.01 %"])
        ax.minorticks_off()
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set_xlabel("rank")
        ax.set_ylabel("energy left")
        ax.legend(frameon=False, labelcolor=INK, fontsize=7, loc="upper right")
        dress(ax)
        return svg()


@contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Any, Any]]:
    """(a figure of `width` × `height` inches, a function that gives its SVG)."""
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": "page", "font.size": 8, "text.color": INK, "axes.labelcolor": INK,
        "axes.edgecolor": LINE, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False,
        "axes.spines.right": False,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        fig = Figure(figsize=(width, height))
        fig.subplots_adjust(0.68 / width, 0.42 / height, 1 - 0.08 / width, 1 - 0.08 / height, hspace=0.08)
        fig.patch.set_visible(False)

        def svg() -> str:
            written = io.StringIO()
            fig.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
            return themed(written.getvalue())

        yield fig, svg


def across(points: Points) -> tuple[list[float], list[float]]:
    """(shares in percent, losses)."""
    return [100 * kept for kept, _ in points], [loss for _, loss in points]


def dress(ax: Any) -> None:
    """A light grid, and no background of its own."""
    ax.patch.set_visible(False)
    ax.grid(True, color=LINE, linewidth=0.5)
    ax.set_axisbelow(True)


def themed(svg: str) -> str:
    """The `<svg>` element alone, its colours the page's, its size the page's business."""
    svg = svg[svg.index("<svg") :]
    for stand_in, colour in COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', r"\1", svg, count=2)
