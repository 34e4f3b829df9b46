"""What a choice becomes in the emitted int8 file, convolution by convolution, and what each of them weighs.

Given a site with kernel (k_h, k_w, c_in, c_out), the surgery emits

    dense      k_h×k_w c_in→c_out
    svd        1×1 c_in→r · 1×1 r→c_out
    tucker2    1×1 c_in→r_in · k_h×k_w r_in→r_out · 1×1 r_out→c_out
    tucker4    1×1 c_in→r_in · k_h×1 r_in→r_mid · 1×k_w r_mid→r_out · 1×1 r_out→c_out
    cp         1×1 c_in→r · depthwise k_h×k_w of r channels · 1×1 r→c_out
    + sparse   a branch beside the chain: one kernel with zeros (unstructured and block, where a target stores or
               codes zeros cheaply), or a smaller dense convolution between a selection of input channels and a
               scatter to output channels.

A 1×1 factor whose rank equals the channel count that it would reduce is absent. In a TFLite file an int8 kernel
costs 1 B a weight, an int32 bias 4 B an output channel; targets that flash another artefact price that. TFLite's
quantizer gives every CONV_2D a bias, so the factors that have none of their own (`first`, `core`, …) carry an
all-zero one; the writer lets zero biases of equal length share one buffer, which makes the network cheaper than the
sum of its sites. Prices here never count on that: they add up to an upper bound, and `shared_zero_bias_bytes` gives
the exact difference for a whole plan.

Bytes that are neither weight nor bias (quantization, names, shapes, operators) are a constant for each operator and
8 B an output channel, the two float32 scales (kernel's, bias') of per-channel quantization
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec). The zero points, 8 B more,
are all zero and stored once for each length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from compiler.types import INT8_BITS, Choice, ConvSite

BIAS_BYTES = 4  # int32
INDEX_BYTES = 4  # int32 indices of GATHER
PAD_BYTES = 32  # int32 paddings of PAD, 4 × 2
SCALE_BYTES = 8  # float32 scale of the kernel and of the bias, for each output channel
ZERO_POINT_BYTES = 8  # int64, for each output channel


@dataclass(frozen=True, slots=True)
class Emitted:
    """One convolution (or Dense) of the emitted file.

    kernel       HWIO shape, of a depthwise one as TFLite has it: (k_h, k_w, 1, channels).
    positions    output positions per image, summed over calls.
    bias         "own" (the site's values), "zero" (all zero, shareable) or "none" (no tensor at all).
    kept         number of stored groups when the kernel has zeros that matter to its price, else None.
    kind         "conv" (CONV_2D), "depthwise" (DEPTHWISE_CONV_2D) or "dense" (FULLY_CONNECTED).
    encoded      bytes of the kernel in TFLite's smallest sparse encoding where they are known, else 0.
    bits         of a stored weight, on average.
    """

    role: str
    kernel: tuple[int, int, int, int]
    positions: int
    bias: str = "zero"
    structure: str | None = None
    block: tuple[int, int] | None = None
    kept: int | None = None
    kind: str = "conv"
    encoded: int = 0
    bits: float = INT8_BITS

    @property
    def weights(self) -> int:
        return math.prod(self.kernel)

    @property
    def kernel_bytes(self) -> int:
        """Of the kernel stored dense."""
        return -(-self.weights * self.stored_bits // 8)

    @property
    def stored_bits(self) -> int:
        """Of a weight in TFLite: those of INT8 or of INT4."""
        return 8 if self.bits == INT8_BITS else 4

    @property
    def bias_bytes(self) -> int:
        return 0 if self.bias == "none" else BIAS_BYTES * self.kernel[3]

    @property
    def macs(self) -> int:
        return self.weights * self.positions


@dataclass(frozen=True, slots=True)
class Selection:
    """A gather of input channels ("gather") or a scatter to output channels ("scatter") beside a convolution."""

    role: str
    channels: int  # of the wide side
    kept: int  # of the narrow side
    positions: int


@dataclass(frozen=True, slots=True)
class Positions:
    """Numbers of positions per image, summed over calls, at which the factors of one site are evaluated."""

    before: int  # of the input map
    between: int  # after the vertical stride only (`vertical` of tucker4)
    after: int  # of the output map


def positions(site: ConvSite) -> Positions:
    """Positions of a site's maps: exact where the site knows its maps, or its stride is 1, or "same" divides evenly.

    For "valid" convolutions of unknown size the border is added to a square map of the same area.
    """
    if site.maps:
        return Positions(
            before=sum(h * w for h, w, _, _ in site.maps),
            between=sum(h_out * w for _, w, h_out, _ in site.maps),
            after=sum(h_out * w_out for _, _, h_out, w_out in site.maps),
        )
    side = math.sqrt(site.positions / site.calls)
    heights = [site.strides[0] * side, site.strides[1] * side]
    if site.padding == "valid":
        for axis in (0, 1):
            extent = site.dilation[axis] * (site.kernel_size[axis] - 1) + 1
            heights[axis] = site.strides[axis] * (side - 1) + extent
    before = round(heights[0] * heights[1] * site.calls)
    return Positions(before=before, between=round(side * heights[1] * site.calls), after=site.positions)


def chain_of(site: ConvSite, choice: Choice) -> tuple[Emitted, ...]:
    """Convolutions of the choice's chain, in order; () for "none". The site's bias sits on the last of them."""
    k_h, k_w = site.kernel_size
    at = positions(site)
    factors: list[tuple[str, tuple[int, int, int, int], int]] = []
    match choice.chain, choice.ranks:
        case "none", ():
            return ()
        case "dense", ():
            factors.append(("dense", site.kernel_shape, at.after))
        case "svd", (r,):
            # A 1×1 chain: the stride sits on the first factor, so both run at the output's resolution.
            factors.append(("first", (1, 1, site.c_in, r), at.after))
            factors.append(("last", (1, 1, r, site.c_out), at.after))
        case "tucker2", (r_in, r_out):
            if r_in != site.c_in:
                factors.append(("first", (1, 1, site.c_in, r_in), at.before))
            factors.append(("core", (k_h, k_w, r_in, r_out), at.after))
            if r_out != site.c_out:
                factors.append(("last", (1, 1, r_out, site.c_out), at.after))
        case "tucker4", (r_in, r_mid, r_out):
            if r_in != site.c_in:
                factors.append(("first", (1, 1, site.c_in, r_in), at.before))
            factors.append(("vertical", (k_h, 1, r_in, r_mid), at.between))
            factors.append(("horizontal", (1, k_w, r_mid, r_out), at.after))
            if r_out != site.c_out:
                factors.append(("last", (1, 1, r_out, site.c_out), at.after))
        case "cp", (r,):
            factors.append(("first", (1, 1, site.c_in, r), at.before))
            factors.append(("depthwise", (k_h, k_w, 1, r), at.after))
            factors.append(("last", (1, 1, r, site.c_out), at.after))
        case _:
            raise ValueError(f"no chain {choice.chain!r} with ranks {choice.ranks}")
    zero = "zero" if site.kind == "conv" else "none"  # FULLY_CONNECTED may lack a bias, CONV_2D never does
    last = len(factors) - 1
    emitted = tuple(
        Emitted(role, k, p, "own" if i == last else zero, kind="depthwise" if role == "depthwise" else site.kind)
        for i, (role, k, p) in enumerate(factors)
    )
    if not choice.is_int8:
        return tuple(replace(e, bits=choice.bits) for e in emitted)
    if choice.chain == "dense" and site.zeros:
        kept = site.weights - site.zeros
        return (replace(emitted[0], structure="unstructured", kept=kept, encoded=site.encoded),)
    return emitted


def whole_sparse(site: ConvSite, choice: Choice) -> Emitted:
    """The sparse branch as one kernel of the site's own shape, zeros included."""
    bias = "own" if choice.chain == "none" else "zero" if site.kind == "conv" else "none"
    at = positions(site).after
    return Emitted("sparse", site.kernel_shape, at, bias, choice.structure, choice.block, choice.kept, site.kind)


def smaller_dense(site: ConvSite, choice: Choice) -> tuple[Emitted, tuple[Selection, ...]]:
    """The sparse branch as a dense convolution over the channels that it touches, and the selections around it.

    "filter" keeps `kept` outputs, "channel" keeps `kept` inputs. "block" touches a union of tiles whose extent
    depends on which were kept; it is priced at the most that `kept` tiles can touch: one row and one column of
    tiles each.
    """
    n_in, n_out = site.c_in, site.c_out
    match choice.structure:
        case "filter":
            n_out = choice.kept
        case "channel":
            n_in = choice.kept
        case "block":
            assert choice.block is not None, "a block structure has a block size"
            n_in = min(n_in, choice.kept * choice.block[0])
            n_out = min(n_out, choice.kept * choice.block[1])
        case _:
            raise ValueError(f"{choice.structure} has no smaller dense convolution")
    at = positions(site)
    # A branch that is scattered can't carry the site's bias: that of the outputs it doesn't reach would be lost.
    bias = "zero" if site.kind == "conv" else "none"
    if choice.chain == "none" and n_out == site.c_out:
        bias = "own"
    around = []
    if n_in < site.c_in:
        around.append(Selection("gather", site.c_in, n_in, at.before))
    if n_out < site.c_out:
        around.append(Selection("scatter", site.c_out, n_out, at.after))
    return Emitted("sparse", (*site.kernel_size, n_in, n_out), at.after, bias, kind=site.kind), tuple(around)


def shared_zero_bias_bytes(emitted: Iterable[Emitted]) -> int:
    """Bytes by which a network is cheaper than the sum of its convolutions, since equal zero biases are one."""
    lengths = [e.kernel[3] for e in emitted if e.bias == "zero"]
    return BIAS_BYTES * (sum(lengths) - sum(set(lengths)))


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below the value."""
    return -(-value // multiple) * multiple
