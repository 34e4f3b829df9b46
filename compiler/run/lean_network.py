"""The network that is compressed: the one that was given, less the channels whose value no input changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from compiler.backend.targets.target import Target
from compiler.errors import CheckFailed
from compiler.frontend.inventory import excluded_by, inventory
from compiler.frontend.logits import logits_model
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.surgery.drop_constant_channels import drop_constant_channels


def lean_network(
    network: Network, target: Target, options: Options, say: Callable[[str], None] = lambda sentence: None
) -> Network:
    """`network` with `folded`, `logits` and `inventory` of the narrower network. Layers that `--exclude` names keep
    their shape, and a few constants stay on the target's grid of channels, or on that of blocks where they are asked
    for.

    `network` itself where nothing can go, or where float32 is too coarse for it: a constant of 1e5 that a bias takes
    back, for one. Compression does without, and `say` is told.
    """
    named = excluded_by(options.exclude)
    keep = frozenset(left.name for left in network.inventory.left if left.reason == named)
    block = options.block_size if options.pruning_structure == "block" else (1, 1)

    def grid(channels: int) -> int:
        return math.lcm(target.rank_grid("r_out", channels), *block)

    try:
        lean = drop_constant_channels(network.folded, keep=keep, grid=grid)
    except CheckFailed as failed:
        say(f"constant channels stay: {failed}")
        return network
    if lean is network.folded:
        return network
    found = inventory(lean, options.exclude)
    return replace(network, folded=lean, logits=logits_model(lean)[0], inventory=found)


def left_out(network: Network) -> tuple[str, ...]:
    """A sentence on what is gone before any plan, if anything is."""
    if network.folded is network.whole:
        return ()
    before, after = network.whole.count_params(), network.folded.count_params()
    return (
        f"{before - after:,} of {before:,} weights belonged to channels whose value no input changes; they were left "
        "out, which is exact",
    )
