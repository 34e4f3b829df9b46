"""What a report shows beside the figures of a `Result`: fronts, layers seen closely, the graph, a few inputs.

Frozen values of scalars and tuples, so that all of it is in the report's JSON and the page can be drawn from that.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One budget and the least predicted loss that meets it."""

    factor: float  # share kept, in the unit of the budget asked
    weight_bytes: int
    file_bytes: int
    macs: int
    predicted_loss: float  # nats


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer with weights of the original network."""

    name: str
    kind: str  # "conv", "dense", or the Keras class of a layer that can't be compressed
    kernel: tuple[int, ...]  # HWIO; () where it can't be compressed
    weights: int
    reason: str | None = None  # why it can't be compressed; None: it can
    weight_bytes: int | None = None  # of the int8 file; None where it can't be compressed
    macs: int | None = None

    @property
    def compressible(self) -> bool:
        return self.reason is None
