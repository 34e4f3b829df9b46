"""Write the factors into the graph: each site becomes what its choice says, on the target that priced it.

            ┌─ <layer>_first ─ <layer>_core ─ <layer>_last ─┐
    input ──┤        (_vertical ─ _horizontal or            ├── <layer>_add ──
            │        _depthwise for _core)                  │
            └─────────────── <layer>_sparse ────────────────┘

Given   K̂ = chain + S and b for each site,
Result  the network in which each site's kernel and bias are K̂ and b, exactly: stride, padding and dilation sit on the
        factors with an extent, and b on the last factor of the chain (on the sparse branch where there is no chain).
        A bias in front of the k×k factor would change the borders of a padded map, so the others have none.

No loss enters here. Every site is run beside its layer with the reconstructed kernel and has to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.backend.targets.target import Target
from compiler.decompose.factors import Factors
from compiler.errors import CheckFailed
from compiler.frontend.flat_names import unused
from compiler.frontend.rebuild import copy_of, rebuild
from compiler.surgery.linear_layer import SPATIAL, geometry, linear_layer
from compiler.surgery.sparse_branch import Subgraph, chained, sparse_branch
from compiler.types import Choice, ConvSite, Inventory

TOLERANCE = 1e-5  # of the largest output of a site


def split_convs(
    model: keras.Model,
    factors: Mapping[str, tuple[Factors, np.ndarray]],
    choices: Mapping[str, Choice],
    inventory: Inventory,
    target: Target,
    *,
    tolerance: float = TOLERANCE,
) -> keras.Model:
    """A new network in which each site named in `factors` (factors, bias (c_out,)) is split as `choices` has it.

    `model` is in normal form and stays as it is; sites with a dense choice keep their name and get kernel and bias. A
    shared layer stays shared. Raises CheckFailed, naming the layer, if a split site deviates from the layer with the
    reconstructed kernel by more than `tolerance`, relative to the site's largest output on random inputs.
    """
    taken = {operation.name for operation in model.operations}
    split: dict[str, Subgraph] = {}
    for site in inventory.sites:
        if site.name not in factors:
            continue
        parts, bias = factors[site.name]

        def name(role: str, site: ConvSite = site) -> str:
            return unused(f"{site.name}_{role}", taken)

        split[site.name] = subgraph(site, choices[site.name], parts, bias, target, name)
        check_site(site, model.get_layer(site.name), parts, bias, split[site.name], tolerance)
    return rebuild(model, split)


def subgraph(
    site: ConvSite, choice: Choice, factors: Factors, bias: np.ndarray, target: Target, name: Callable[[str], str]
) -> Subgraph:
    """A function from the site's input to its output; all layers in it are made here, so that calls share them."""
    if choice.is_one_kernel:
        return linear_layer(site, site.name, factors.reconstruct(), bias, **geometry(site, "core"))
    if choice.structure is None:
        return chain(site, factors, bias, name)
    if not factors.chain:
        return sparse_branch(site, choice, factors, bias, target, name)
    left = chain(site, factors, bias, name)
    right = sparse_branch(site, choice, factors, None, target, name)
    add = layers.Add(name=name("add"), dtype="float32")
    return lambda x: add([left(x), right(x)])


def chain(site: ConvSite, factors: Factors, bias: np.ndarray, name: Callable[[str], str]) -> Subgraph:
    """The factors of the chain in a row, the bias on the last."""
    flat = all(role not in SPATIAL for role, _ in factors.chain)
    parts: list[Subgraph] = []
    for index, (role, kernel) in enumerate(factors.chain):
        where = geometry(site, role, strides_here=flat and index == 0)
        last = index == len(factors.chain) - 1
        own = bias if last else None
        parts.append(linear_layer(site, name(role), kernel, own, depthwise=role == "depthwise", **where))
    return chained(parts)


def check_site(
    site: ConvSite, layer: keras.Layer, factors: Factors, bias: np.ndarray, split: Subgraph, tolerance: float
) -> None:
    """Run the split site beside its layer with the reconstructed kernel, on maps little larger than the kernel."""
    kernel = factors.reconstruct()
    reference = copy_of(layer, use_bias=True)
    x = sample(site)
    reference.build((None, *x.shape[1:]))
    reference.set_weights([kernel.reshape(reference.kernel.shape), bias])
    expected, found = (np.asarray(keras.ops.convert_to_numpy(f(x)), np.float64) for f in (reference, split))
    claim = f"layer '{site.name}', split, equals the layer with the reconstructed kernel"
    if expected.shape != found.shape:
        raise CheckFailed(f"{claim}: its output has shape {found.shape} instead of {expected.shape}; report it")
    deviation = float(np.max(np.abs(expected - found), initial=0.0))
    largest = float(np.max(np.abs(expected), initial=0.0))
    if not deviation <= tolerance * largest:  # NaN fails, too
        raise CheckFailed(
            f"{claim}: it deviates by {deviation:.2g} where {largest:.2g} is the largest output (allowed: "
            f"{tolerance:.0e} of that); report it with the model"
        )


def sample(site: ConvSite) -> Any:
    """A random input (1, h, w, c_in), standard normal: a few output positions in each direction, an uneven border
    where "same" has one. (3, c_in) for a Dense."""
    generator = np.random.default_rng(0)
    shape: tuple[int, ...] = (3, site.c_in)
    if site.kind == "conv":
        extent = [d * (k - 1) + 1 for k, d in zip(site.kernel_size, site.dilation, strict=True)]
        shape = (1, extent[0] + site.strides[0], extent[1] + 2 * site.strides[1] - 1, site.c_in)
    return keras.ops.convert_to_tensor(generator.normal(size=shape).astype(np.float32))
