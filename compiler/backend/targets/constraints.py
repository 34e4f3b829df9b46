"""Rules that targets share. The docstring of each is the error text, and the text of docs/targets.md.

A rule returns None where a choice keeps it, else what is wrong and the nearest choice that is not.
"""

from __future__ import annotations

from compiler.types import FOUR_BITS, INT8_BITS, Choice, ConvSite

GRID = 4
IN_FEW_BITS = ("dense", "svd", "tucker2")
RANK_NAMES = {
    "svd": ("r",),
    "tucker2": ("r_in", "r_out"),
    "tucker4": ("r_in", "r_mid", "r_out"),
    "cp": ("r",),
}


def reduces(site: ConvSite, rank: str) -> int | None:
    """The channel count at which the factor of this rank falls away; None where it never does."""
    return {"r_in": site.c_in, "r_out": site.c_out}.get(rank)


def structure_is_dense_when_emitted(site: ConvSite, choice: Choice) -> str | None:
    """TFLite Micro has no kernel for sparse tensors (no DENSIFY), so a sparse branch has to consist of whole filters,
    channels or blocks, which become a smaller dense convolution; blocks seldom do, since they touch most channels."""
    if choice.structure != "unstructured":
        return None
    return f"Layer '{site.name}' asks for unstructured: use filter or channel."


def ranks_on_grid(site: ConvSite, choice: Choice) -> str | None:
    """Ranks have to be multiples of 4 (or equal to the layer's channels, which drops the factor): the int8 kernels
    work on four channels at a time and pad the rest."""
    for name, rank in zip(RANK_NAMES.get(choice.chain, ()), choice.ranks, strict=True):
        if rank % GRID and rank != reduces(site, name):
            return f"Layer '{site.name}' has {name}={rank}: use {nearest(rank)}."
    return None


def depthwise_steps_are_plain(site: ConvSite, choice: Choice) -> str | None:
    """A CP chain is for convolutions with an extent, equal strides down and across and no dilation:
    DEPTHWISE_CONV_2D strides alike in both directions, and converters write a dilated one as three operators."""
    if choice.chain != "cp":
        return None
    if site.kind == "conv" and max(site.kernel_size) > 1 and len(set(site.strides)) == 1 and site.dilation == (1, 1):
        return None
    return f"Layer '{site.name}' asks for cp: use {instead_of_components(site)}."


def instead_of_components(site: ConvSite) -> str:
    """The low-rank chain that every layer of this kernel size can become."""
    return "tucker2" if max(site.kernel_size) > 1 else "svd"


def most_components(site: ConvSite) -> int:
    """As many as make up any kernel of this shape."""
    k_h, k_w = site.kernel_size
    return min(k_h * k_w * min(site.c_in, site.c_out), site.c_in * site.c_out)


def kept_on_grid(site: ConvSite, choice: Choice) -> str | None:
    """Kept filters and kept channels have to be multiples of 4, for the same reason as ranks."""
    if choice.structure in ("filter", "channel") and choice.kept % GRID:
        return f"Layer '{site.name}' keeps {choice.kept} {choice.structure}s: use {nearest(choice.kept)}."
    return None


def dense_layer_is_not_stored_sparse(site: ConvSite, choice: Choice) -> str | None:
    """LiteRT's XNNPACK does not load DENSIFY in front of FULLY_CONNECTED, so a Dense layer has no branch that is
    stored sparse."""
    if site.kind != "dense" or choice.structure not in ("unstructured", "block"):
        return None
    return f"Layer '{site.name}' is Dense and asks for {choice.structure}: use filter, channel or no branch."


def weights_have_eight_bits(site: ConvSite, choice: Choice) -> str | None:
    """Kernels have to be int8: the target's tool does not take fewer bits a weight."""
    if choice.is_int8:
        return None
    others = "mobile, cortex_m, ethos_u or c" if choice.bits == FOUR_BITS else "ethos_u or c"
    return f"Layer '{site.name}' asks for weights of {choice.bits:g} bits: use {INT8_BITS}, or --target {others}."


def weights_have_eight_or_four_bits(site: ConvSite, choice: Choice) -> str | None:
    """Kernels have eight or four bits a weight: the TFLite format stores nothing between."""
    if choice.bits in (INT8_BITS, FOUR_BITS):
        return None
    return f"Layer '{site.name}' asks for weights of {choice.bits:g} bits: use {FOUR_BITS}, or --target ethos_u or c."


def few_bits_are_of_convolutions(site: ConvSite, choice: Choice) -> str | None:
    """Fewer than eight bits a weight are for convolutions, whole or in a chain of 1×1, k×k and 1×1, without a sparse
    branch, that are called once: LiteRT and TFLite Micro expand such kernels of CONV_2D, Vela and the emitted C code
    them."""
    if choice.is_int8:
        return None
    asks = f"asks for weights of {choice.bits:g} bits: use {INT8_BITS}."
    if site.calls > 1:
        return f"Layer '{site.name}' is shared by {site.calls} calls and {asks}"
    if site.kind == "conv" and choice.structure is None and choice.chain in IN_FEW_BITS:
        return None
    branch = "" if choice.structure is None else f" with {choice.structure}"
    return f"Layer '{site.name}' ({site.kind}, {choice.chain}{branch}) {asks}"


def nearest(value: int) -> str:
    """The multiples of the grid on either side, as in "16 or 20"."""
    below = value - value % GRID
    return f"{below} or {below + GRID}" if below else str(GRID)
