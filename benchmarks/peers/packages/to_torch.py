"""The graph of elsewhere.py as a torch module, NCHW; "same" padding as TensorFlow pads, on whichever side it does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SILENT = ("Dropout", "Identity")


class Network(nn.Module):
    """`layers` are named as the Keras layers (dots and slashes replaced)."""

    def __init__(self, said: dict, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.nodes = said["nodes"]
        self.last = said["outputs"][0]
        self.layers = nn.ModuleDict()
        shapes = {node["name"]: node["shape"] for node in self.nodes}
        for node in self.nodes:
            own = [weights[f"{node['name']}/{i}"] for i in range(9) if f"{node['name']}/{i}" in weights]
            module = module_of(node, own, shapes)
            if module is not None:
                self.layers[key(node["name"])] = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {}
        for node in self.nodes:
            name, given = node["name"], [values[i] for i in node["inputs"]]
            if node["type"] == "InputLayer":
                values[name] = x
            elif key(name) in self.layers:
                values[name] = self.layers[key(name)](given[0])
            elif node["type"] == "Add":
                values[name] = given[0] + given[1]
            elif node["type"] in SILENT:
                values[name] = given[0]
            else:
                values[name] = padded(given[0], node)
        return values[self.last]


def key(name: str) -> str:
    return name.replace(".", "_").replace("/", "_")


def padded(x: torch.Tensor, node: dict) -> torch.Tensor:
    """`keras.ops.pad` with constants."""
    (_, _), top, left, channels = node["config"]["pad_width"]
    return F.pad(x, (*left, *top, *channels))


def module_of(node: dict, own: list[np.ndarray], shapes: dict) -> nn.Module | None:
    """Raises NotImplementedError for a layer that has no counterpart here."""
    kind, config = node["type"], node["config"]
    if kind in ("InputLayer", "Add", "Pad", *SILENT):
        return None
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return convolution(kind, config, own, shapes[node["inputs"][0]])
    if kind == "BatchNormalization":
        norm = nn.BatchNorm2d(len(own[-1]), eps=config["epsilon"])
        scale = own[0] if config["scale"] else np.ones(len(own[-1]), np.float32)
        shift = own[int(config["scale"])] if config["center"] else np.zeros(len(own[-1]), np.float32)
        norm.load_state_dict(
            {
                "weight": torch.tensor(scale),
                "bias": torch.tensor(shift),
                "running_mean": torch.tensor(own[-2]),
                "running_var": torch.tensor(own[-1]),
                "num_batches_tracked": torch.tensor(1),
            }
        )
        return norm
    if kind == "Dense":
        dense = nn.Linear(*own[0].shape, bias=len(own) > 1)
        with torch.no_grad():
            dense.weight.copy_(torch.tensor(own[0].T))
            if len(own) > 1:
                dense.bias.copy_(torch.tensor(own[1]))
        return dense
    if kind == "ReLU" and not config.get("negative_slope") and not config.get("threshold"):
        return nn.ReLU6() if config.get("max_value") == 6 else nn.ReLU()
    if kind in ("Activation", "Softmax"):
        function = config.get("activation", "softmax")
        found = {"relu": nn.ReLU(), "relu6": nn.ReLU6(), "softmax": nn.Softmax(dim=1), "linear": nn.Identity()}
        if function in found:
            return found[function]
    if kind in ("MaxPooling2D", "AveragePooling2D") and config["padding"] == "valid":
        pool = nn.MaxPool2d if kind.startswith("Max") else nn.AvgPool2d
        return pool(tuple(config["pool_size"]), tuple(config["strides"]))
    if kind == "GlobalAveragePooling2D" and not config.get("keepdims"):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "Flatten" and list(shapes[node["inputs"][0]][:-1]) in ([], [1, 1]):  # else NCHW has another order
        return nn.Flatten()
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = config["padding"]
        return nn.ZeroPad2d((left, right, top, bottom))
    raise NotImplementedError(f"'{node['name']}' is a {kind}, which is not translated to torch.")


def convolution(kind: str, config: dict, own: list[np.ndarray], shape: list[int]) -> nn.Module:
    kernel = own[0].transpose(3, 2, 0, 1) if kind == "Conv2D" else own[0].transpose(2, 3, 0, 1)
    groups = 1 if kind == "Conv2D" else len(kernel)
    strides, dilation = tuple(config["strides"]), tuple(config["dilation_rate"])
    inputs = kernel.shape[1] * groups
    conv = nn.Conv2d(
        inputs, len(kernel), kernel.shape[2:], strides, dilation=dilation, groups=groups, bias=len(own) > 1
    )
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(np.ascontiguousarray(kernel)))
        if len(own) > 1:
            conv.bias.copy_(torch.tensor(own[1]))
    if config["padding"] != "same":
        return conv
    sides = []
    for size, k, s, d in zip(shape[:2], kernel.shape[2:], strides, dilation, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        sides.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = sides
    if (top, left) == (bottom, right):
        conv.padding = (top, left)
        return conv
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


def read(folder: Path) -> tuple[Network, dict, torch.Tensor | None]:
    """(the network in inference mode, what graph.json says, inputs NCHW or None)."""
    said = json.loads((folder / "graph.json").read_text())
    with np.load(folder / "weights.npz") as stored:
        weights = {name: stored[name] for name in stored.files}
    try:
        network = Network(said, weights).eval()
    except NotImplementedError as error:
        sys.exit(str(error))
    inputs = None
    if (folder / "inputs.npz").exists():
        with np.load(folder / "inputs.npz") as stored:
            inputs = torch.tensor(stored["x"].transpose(0, 3, 1, 2).astype(np.float32))
    return network, said, inputs


def conv_of(module: nn.Module) -> nn.Module:
    """The convolution itself, where padding stands before it."""
    return module[1] if isinstance(module, nn.Sequential) and isinstance(module[1], nn.Conv2d) else module


def example(said: dict) -> torch.Tensor:
    height, width, channels = said["nodes"][0]["shape"]
    return torch.zeros(1, channels, height, width)
