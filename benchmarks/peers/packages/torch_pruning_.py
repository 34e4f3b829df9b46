"""Torch-Pruning (VainF/Torch-Pruning): dependency graph, group magnitude importance, one ratio for all groups.

The ratio is bisected until weights and biases, at the bytes that an int8 file has for them, are the budget's share.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import torch
import torch_pruning as tp
from to_torch import Network, conv_of, example, key, read
from torch import nn

HALVINGS = 10
MOST = 0.9  # it prunes nothing at all where a ratio would leave a layer without channels


def stored(network: Network) -> int:
    """1 B a weight, 4 B an output channel (BatchNorm is folded into the bias)."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return sum(m.weight.numel() + 4 * m.weight.shape[0] for m in layers)


def pruned(network: Network, said: dict, ratio: float) -> Network:
    narrow = copy.deepcopy(network)
    last = [m for m in narrow.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    pruner = tp.pruner.MagnitudePruner(
        narrow, example(said), importance=tp.importance.GroupMagnitudeImportance(p=2), pruning_ratio=ratio,
        ignored_layers=[last],
    )  # fmt: skip
    pruner.step()
    return narrow


def arrays(network: Network, said: dict) -> dict[str, np.ndarray]:
    """As Keras has them."""
    found = {}
    for node in said["nodes"]:
        if key(node["name"]) not in network.layers:
            continue
        module = conv_of(network.layers[key(node["name"])])
        own = []
        if isinstance(module, nn.Conv2d):
            axes = (2, 3, 1, 0) if node["type"] == "Conv2D" else (2, 3, 0, 1)
            own = [module.weight.permute(*axes)] + ([module.bias] if module.bias is not None else [])
        elif isinstance(module, nn.Linear):
            own = [module.weight.T] + ([module.bias] if module.bias is not None else [])
        elif isinstance(module, nn.BatchNorm2d):
            config = node["config"]
            own = [module.weight] * config["scale"] + [module.bias] * config["center"]
            own += [module.running_mean, module.running_var]
        found.update({f"{node['name']}/{i}": a.detach().numpy().copy() for i, a in enumerate(own)})
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    network, said, _ = read(folder)
    whole = stored(network)
    low, high = 0.0, MOST
    if stored(pruned(network, said, high)) > said["budget"] * whole:
        (folder / "error.txt").write_text("its groups can't be pruned to the budget.")
        return
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = stored(pruned(network, said, middle)) <= said["budget"] * whole
        low, high = (low, middle) if fits else (middle, high)
    np.savez(folder / "made.npz", **arrays(pruned(network, said, high), said))


main()
