"""What no target could make of a layer: a plan that was changed by hand may ask for it."""

from __future__ import annotations

from compiler.backend.targets.constraints import IN_FEW_BITS, most_components
from compiler.errors import BadInput
from compiler.result import sparse_density
from compiler.types import FEW_BITS, Choice, ConvSite

BRANCHES = ("unstructured", "filter", "channel", "block")


def refuse_choice(site: ConvSite, choice: Choice, plan: str) -> None:
    """Raises BadInput, naming the plan as `plan`, where `site` has no such chain, ranks or groups."""
    if fits_chain(site, choice) and fits_branch(site, choice) and fits_bits(choice):
        return
    k_h, k_w = site.kernel_size
    ranks = f" of ranks {','.join(map(str, choice.ranks))}" if choice.ranks else ""
    bits = "" if choice.is_int8 else f" in {choice.bits:g} bits"
    branch = f" and {choice.kept} kept of {choice.structure}" if choice.structure else ""
    raise BadInput(
        f"{plan} asks for {choice.chain}{ranks}{branch}{bits} at layer '{site.name}', which is {k_h}×{k_w} with "
        f"{site.c_in}→{site.c_out} channels and can't become that; give the plan as a run has written it."
    )


def fits_chain(site: ConvSite, choice: Choice) -> bool:
    """A chain of this kernel size, with as many ranks as it has factors to cut and none beyond their channels."""
    (k_h, k_w), c_in, c_out = site.kernel_size, site.c_in, site.c_out
    most: dict[str, tuple[int, ...]] = {"dense": (), "none": ()}
    if (k_h, k_w) == (1, 1):
        most["svd"] = (min(c_in, c_out),)
    else:
        most["tucker2"] = (c_in, c_out)
    if min(k_h, k_w) > 1 and len(choice.ranks) == 3:
        most["tucker4"] = (c_in, min(k_h * choice.ranks[0], k_w * c_out), c_out)
    if max(k_h, k_w) > 1:
        most["cp"] = (most_components(site),)
    limits = most.get(choice.chain)
    if limits is None or len(limits) != len(choice.ranks):
        return False
    return all(1 <= rank <= limit for rank, limit in zip(choice.ranks, limits, strict=True))


def fits_bits(choice: Choice) -> bool:
    """Eight, or fewer of a kernel that stays whole or becomes a short chain."""
    few = choice.bits in FEW_BITS and choice.structure is None and choice.chain in IN_FEW_BITS
    return few or choice.is_int8


def fits_branch(site: ConvSite, choice: Choice) -> bool:
    """No more groups than there are, blocks where there are blocks; nothing beside "dense", something for "none"."""
    if choice.structure is None:
        return choice.chain != "none" and choice.block is None and choice.kept == 0
    if choice.chain == "dense" or choice.structure not in BRANCHES:
        return False
    if (choice.block is not None) != (choice.structure == "block") or min(choice.block or (1,)) < 1:
        return False
    density = sparse_density(site, choice)
    return density is not None and 0 <= density <= 1
