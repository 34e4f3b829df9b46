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
    """One layer with weights of the network that is compressed, without its constant channels."""

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


@dataclass(frozen=True, slots=True)
class Part:
    """One convolution that a layer became."""

    branch: str  # "chain" or "sparse"
    role: str  # of ROLES in decompose/factors.py, or "dense", "gather", "sparse", "scatter"
    kernel: tuple[int, ...]  # HWIO
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class LayerDetail:
    """One compressible layer, seen closely.

    spectrum_in, spectrum_out  squared singular values of the kernel in the output's metric, as shares of their sum,
                               largest first, along input and output channels; () where the kernel is too large
    int8_snr_db                energy of the layer's one kernel over that of its change when its factors become int8
    why                        what one step smaller and one step larger would have cost
    """

    name: str
    kernel: tuple[int, ...]  # HWIO, of the original
    strides: tuple[int, int]
    parts: tuple[Part, ...]
    spectrum_in: tuple[float, ...] = ()
    spectrum_out: tuple[float, ...] = ()
    int8_snr_db: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the original's graph in normal form, in topological order."""

    name: str
    kind: str  # the Keras class, "Input" for an input
    shape: tuple[int, ...]  # of the output, without the batch
    inputs: tuple[int, ...] = ()  # positions of the nodes that it reads


@dataclass(frozen=True, slots=True)
class Changed:
    """An example that the two networks answer differently."""

    picture: str  # PNG, base64
    before: int
    after: int
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """All of it. `pictures` are synthetic inputs as PNG, base64; `tried` (share kept, loss) of the measured files."""

    front: tuple[FrontPoint, ...] = ()
    tried: tuple[tuple[float, float], ...] = ()
    layers: tuple[LayerDetail, ...] = ()
    graph: tuple[Node, ...] = ()
    pictures: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    file_sha256: str = ""
    tool_files: tuple[tuple[str, str], ...] = ()  # written for the device beside the .tflite: (name, SHA-256)


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One run of a sweep: what was asked, and what came of it or why nothing did."""

    name: str
    network: str
    target: str
    compression_type: str
    pruning_structure: str
    factor: float
    budget: str
    kept: float | None = None
    loss: float | None = None  # of the evidence's metric
    metric: str = ""
    tier: str = ""
    file_bytes: int | None = None
    macs: int | None = None
    arena_bytes: int | None = None
    seconds: float | None = None
    refused: str | None = None  # the sentence of the refusal
    counted: str = "file"  # what `file_bytes` are bytes of
