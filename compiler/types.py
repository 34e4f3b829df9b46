"""Frozen values that the passes hand to each other: scalars and tuples only, so that every one of them is
hashable, comparable and can be written as JSON. Arrays live in `decompose/factors.py`.

Names: kernels are HWIO (`k_h, k_w, c_in, c_out`), activations NHWC; bytes are bytes of the emitted int8 file;
losses are nats (half the squared, centred change of the logits); drops are accuracy differences, 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA_VERSION = 2
INT8_BITS = 8

Span = tuple[float, float]  # the lowest and the highest value


@dataclass(frozen=True, slots=True)
class ConvSite:
    """One layer of the normal form that can be decomposed (a Conv2D, or a Dense seen as a 1×1 convolution).

    The normal form (see `frontend/`) guarantees: the layer is linear (its activation is a layer of its own behind it)
    and has a bias, BatchNorm is folded where that is exact, and `name` is unique in the flat graph.
    """

    name: str
    kind: str  # "conv" | "dense"
    kernel_size: tuple[int, int]
    c_in: int
    c_out: int
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "valid"  # "valid" | "same"
    calls: int = 1  # how often the graph applies this layer (shared layers: more than once)
    positions: int = 1  # output positions per image, summed over calls
    maps: tuple[tuple[int, int, int, int], ...] = ()  # (h_in, w_in, h_out, w_out) of each call; () if not known
    zeros: int = 0  # weights that are 0 in the int8 kernel before anything was compressed; 0 if not known
    encoded: int = 0  # bytes of that kernel in TFLite's smallest sparse encoding; 0 if not known, or not smaller

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """HWIO."""
        return (*self.kernel_size, self.c_in, self.c_out)

    @property
    def weights(self) -> int:
        """Number of kernel weights (no bias)."""
        return self.kernel_size[0] * self.kernel_size[1] * self.c_in * self.c_out

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image of the dense layer."""
        return self.weights * self.positions


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A layer with weights that stays as it is, and the sentence that says why."""

    name: str
    layer_type: str
    params: int
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What of a network can be compressed, in graph order, and what can't."""

    sites: tuple[ConvSite, ...]
    left: tuple[LeftAlone, ...] = ()
    dropped: Cost = field(default_factory=lambda: Cost())  # of the original, less what any plan adds

    def site(self, name: str) -> ConvSite:
        return next(s for s in self.sites if s.name == name)


@dataclass(frozen=True, slots=True)
class Cost:
    """Price of one site on a target, or of a whole network (they add)."""

    weight_bytes: int = 0  # bytes of constant weight tensors (kernels, biases, sparse values and indices)
    file_bytes: int = 0  # bytes of the whole file (weights and what flatbuffer adds)
    macs: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.weight_bytes + other.weight_bytes, self.file_bytes + other.file_bytes, self.macs + other.macs)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.weight_bytes - other.weight_bytes, self.file_bytes - other.file_bytes, self.macs - other.macs)


@dataclass(frozen=True, slots=True)
class Choice:
    """What one site becomes: a chain of factors and, beside it, a sparse branch; either may be absent.

    chain      "dense" (the kernel itself), "svd" (first, last; 1×1 and Dense), "tucker2" (first, core, last;
               first or last absent when its rank equals the channel count), "tucker4" (first, vertical,
               horizontal, last), "cp" (first, depthwise, last), or "none" (sparse branch only).
    ranks      svd (r,); tucker2 (r_in, r_out); tucker4 (r_in, r_mid, r_out); cp (r,); else ().
    structure  None, "unstructured", "filter", "channel" or "block".
    block      (b_in, b_out) for "block".
    kept       number of kept groups of the sparse branch: weights, filters, channels or blocks.
    bits       of a stored weight, on average: 8, or one of FEW_BITS for "dense", "svd" or "tucker2" without a branch.
    """

    chain: str = "dense"
    ranks: tuple[int, ...] = ()
    structure: str | None = None
    block: tuple[int, int] | None = None
    kept: int = 0
    bits: float = INT8_BITS

    @property
    def is_dense(self) -> bool:
        """Whether the site stays as it is."""
        return self.is_one_kernel and self.is_int8

    @property
    def is_int8(self) -> bool:
        """Whether weights have eight bits, not fewer."""
        return self.bits == INT8_BITS

    @property
    def is_one_kernel(self) -> bool:
        """Whether the site stays one layer of its own shape."""
        return self.chain == "dense" and self.structure is None


DENSE = Choice()
FOUR_BITS = 4  # TFLite's symmetric INT4
FEW_BITS = (FOUR_BITS, 3, 2.5, 2.1, 1.7, 1.3)  # below four coded, so many on average (`decompose/round_for_code.py`)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry of a site's menu."""

    choice: Choice
    cost: Cost
    predicted_loss: float  # nats


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the search decided; what follows is a pure function of (model, plan). Saved as JSON."""

    choices: tuple[tuple[str, Choice], ...]  # (site name, choice) for every site, in graph order
    target: str
    seed: int
    model_hash: str
    settings: tuple[tuple[str, str], ...] = ()  # the knobs that change the result, as text
    versions: tuple[tuple[str, str], ...] = ()
    calibration_hash: str = ""  # of the synthetic (or given) inputs
    gates: tuple[tuple[str, bool], ...] = ()  # every optional step that was tried, and whether it was kept
    predicted_loss: float = 0.0
    schema_version: int = field(default=SCHEMA_VERSION)

    def choice(self, site_name: str) -> Choice:
        return dict(self.choices)[site_name]
