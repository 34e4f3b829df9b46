"""model-compression-toolkit's structured pruning of a torch model (its Keras side refuses TensorFlow 2.16 and newer).

Importance by its label-free Hessian over the inputs that are given; where none are, over images of its own data
generation, which it makes from the BatchNorm statistics.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.modules["tensorflow"] = None  # type: ignore[assignment]  # its LLVM and torch's can't share a process

import model_compression_toolkit as mct  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from to_torch import key, read  # noqa: E402

IMAGES = 32
STEPS = 200


def generated(network: torch.nn.Module, said: dict) -> torch.Tensor:
    height, width, _ = said["nodes"][0]["shape"]
    config = mct.data_generation.get_pytorch_data_generation_config(n_iter=STEPS, data_gen_batch_size=IMAGES)
    made = mct.data_generation.pytorch_data_generation_experimental(
        model=network, n_images=IMAGES, output_image_size=(height, width), data_generation_config=config
    )
    return torch.cat([image.reshape(-1, *image.shape[-3:]) for image in made]).cpu()


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    network, said, inputs = read(folder)
    end = next(node for node in network.nodes if node["name"] == network.last)
    if end["type"] == "Softmax" or (end["config"].get("activation") == "softmax" and end["type"] == "Activation"):
        network.nodes = [node for node in network.nodes if node is not end]  # its Hessian wants logits
        network.last = end["inputs"][0]
    given = generated(network, said) if inputs is None else inputs[:IMAGES]

    def representative() -> Iterator[list[np.ndarray]]:
        for image in given:
            yield [image[None].numpy()]

    weights = sum(p.numel() for p in network.state_dict().values())
    limit = mct.core.ResourceUtilization(weights_memory=weights * 4 * said["budget"])
    try:
        _, info = mct.pruning.pytorch_pruning_experimental(
            model=network,
            target_resource_utilization=limit,
            representative_data_gen=representative,
            pruning_config=mct.pruning.PruningConfig(num_score_approximations=1),
        )
    except Exception as error:  # its own type for everything
        if "Insufficient memory" not in str(error):
            raise
        (folder / "error.txt").write_text(str(error))
        return
    named = {f"layers_{key(n['name'])}": n["name"] for n in said["nodes"]}
    named |= {f"{k}_1": v for k, v in named.items()}  # the convolution behind its padding
    masks = {named[node.name.removesuffix("_bn")]: mask for node, mask in info.pruning_masks.items()}
    np.savez(folder / "made.npz", **{f"{name}/kept": np.flatnonzero(mask) for name, mask in masks.items()})


main()
