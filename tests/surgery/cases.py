"""Networks in normal form, choices and random factors of them: what surgery is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers

from compiler.datafree.study import Study, study
from compiler.decompose.factors import Factors
from compiler.frontend.as_functional import as_functional
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.inventory import inventory
from compiler.frontend.read_network import Network, read_network
from compiler.frontend.rebuild import rebuild
from compiler.frontend.with_biases import with_biases
from compiler.sparsity.structures import STRUCTURES
from compiler.surgery.set_kernels import set_kernels
from compiler.types import Choice, ConvSite, Inventory
from tests.frontend.networks import randomize

Fitted = dict[str, tuple[Factors, np.ndarray]]


def normal_form(model: keras.Model) -> tuple[keras.Model, Inventory]:
    """Random weights, then what the pipeline hands to surgery: flat, folded, every site with a bias."""
    folded = fold_batchnorm(as_functional(randomize(model)))
    biased = with_biases(folded, inventory(folded))
    return biased, inventory(biased)


def read_from_file(model: keras.Model, folder: Path) -> Network:
    """Random weights, then as the compiler reads it."""
    path = folder / "net.keras"
    randomize(model).save(path)
    return read_network(path, model_name=None, input_shape=None, exclude=None)


def study_of_noise(network: Network, *shape: int) -> Study:
    """What is known from normal inputs of this shape, images first."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return study(network, [x], "noise", 0)


def random_factors(site: ConvSite, choice: Choice, seed: int = 0) -> Factors:
    """Factors of the shapes that the choice asks for, of no kernel in particular."""
    generator = np.random.default_rng(seed)
    k_h, k_w = site.kernel_size

    def normal(*shape: int) -> np.ndarray:
        return (generator.normal(size=shape) / np.sqrt(np.prod(shape[:3]))).astype(np.float32)

    chain: list[tuple[str, np.ndarray]] = []
    match choice.chain, choice.ranks:
        case "dense", ():
            chain = [("core", normal(k_h, k_w, site.c_in, site.c_out))]
        case "svd", (r,):
            chain = [("first", normal(1, 1, site.c_in, r)), ("last", normal(1, 1, r, site.c_out))]
        case (("tucker2" | "tucker4"), (r_in, *_, r_out)):
            if r_in < site.c_in:
                chain.append(("first", normal(1, 1, site.c_in, r_in)))
            if choice.chain == "tucker2":
                chain.append(("core", normal(k_h, k_w, r_in, r_out)))
            else:
                r_mid = choice.ranks[1]
                chain += [("vertical", normal(k_h, 1, r_in, r_mid)), ("horizontal", normal(1, k_w, r_mid, r_out))]
            if r_out < site.c_out:
                chain.append(("last", normal(1, 1, r_out, site.c_out)))
        case "cp", (r,):
            chain = [("first", normal(1, 1, site.c_in, r)), ("depthwise", normal(k_h, k_w, r, 1))]
            chain.append(("last", normal(1, 1, r, site.c_out)))
    if choice.structure is None:
        return Factors(tuple(chain))
    group_of = STRUCTURES[choice.structure](site.kernel_shape, choice.block)
    alive = generator.permutation(group_of.max() + 1)[: choice.kept]
    mask = np.isin(group_of, alive).reshape(site.kernel_shape)
    return Factors(tuple(chain), normal(*site.kernel_shape) * mask)


def half(channels: int) -> int:
    return max(1, channels // 2)


def chains(site: ConvSite) -> Iterator[Choice]:
    """Every kind of chain, with each factor that can be absent once present and once absent."""
    c_in, c_out = site.c_in, site.c_out
    yield Choice()
    if site.kernel_size == (1, 1):
        yield Choice("svd", (half(min(c_in, c_out)),))
        return
    for r_in in dict.fromkeys((half(c_in), c_in)):
        for r_out in dict.fromkeys((half(c_out), c_out)):
            yield Choice("tucker2", (r_in, r_out))
            yield Choice("tucker4", (r_in, half(c_in) + 1, r_out))
    if len(set(site.strides)) == 1 and site.dilation == (1, 1):
        yield Choice("cp", (c_in + 1,))


def branches(site: ConvSite) -> Iterator[tuple[str, tuple[int, int] | None, int]]:
    """Every structure, with few groups alive, and with all channels reached."""
    yield "unstructured", None, max(1, site.weights // 10)
    for structure, groups in (("filter", site.c_out), ("channel", site.c_in)):
        if groups > 1:
            yield structure, None, half(groups)
    block = (1 if site.c_in % 2 else 2, 1 if site.c_out % 2 else 2)
    yield "block", block, 1
    yield "block", block, max(site.c_in // block[0], site.c_out // block[1])


def choices_of(site: ConvSite) -> list[Choice]:
    """All chains, all branches alone, and each branch beside a chain."""
    every = list(chains(site))
    beside = every[1] if len(every) > 1 else every[0]
    alone = [Choice("none", (), *branch) for branch in branches(site)]
    return [*every, *alone, *(Choice(beside.chain, beside.ranks, *branch) for branch in branches(site))]


def fitted(inventory: Inventory, choose: Callable[[ConvSite], Choice]) -> tuple[Fitted, dict[str, Choice]]:
    """Random factors and biases of every site."""
    choices = {site.name: choose(site) for site in inventory.sites}
    return {
        site.name: (random_factors(site, choices[site.name], seed), bias_of(site, seed))
        for seed, site in enumerate(inventory.sites)
    }, choices


def bias_of(site: ConvSite, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=site.c_out).astype(np.float32)


def with_reconstructed_kernels(model: keras.Model, factors: Fitted) -> keras.Model:
    """The reference: a copy of the network with other numbers in it and nothing rewritten."""
    reference = rebuild(model, {})
    set_kernels(reference, {name: (parts.reconstruct(), bias) for name, (parts, bias) in factors.items()})
    return reference


def conv_of_every_geometry() -> keras.Model:
    """One input, one output per combination of stride, padding, dilation, bias and activation; 3×3, 4→6."""
    inputs = keras.Input((9, 8, 4), name="image")
    outputs = []
    for stride, dilation in (((1, 1), 1), ((2, 2), 1), ((2, 1), 1), ((1, 1), 2), ((1, 1), (1, 3))):
        for padding in ("same", "valid"):
            for use_bias in (True, False):
                for activation in ("relu", None):
                    conv = layers.Conv2D(
                        6,
                        3,
                        strides=stride,
                        padding=padding,
                        dilation_rate=dilation,
                        use_bias=use_bias,
                        activation=activation,
                        name=f"conv{len(outputs)}",
                    )
                    outputs.append(conv(inputs))
    return keras.Model(inputs, outputs)


def odd_kernels() -> keras.Model:
    """Rectangular, even and 1×1 kernels, strided; one and three input channels."""
    gray, colour, wide = (keras.Input((11, 12, c), name=f"image{c}") for c in (1, 3, 8))
    outputs = [
        layers.Conv2D(4, (3, 1), padding="same", strides=2, name="tall")(wide),
        layers.Conv2D(6, (1, 5), padding="same", name="broad")(wide),
        layers.Conv2D(6, (10, 4), padding="same", strides=2, name="large")(gray),
        layers.Conv2D(5, (2, 4), strides=(1, 2), name="even")(colour),
        layers.Conv2D(6, 1, strides=2, name="point")(wide),
        layers.Conv2D(6, 1, padding="same", strides=(1, 3), name="point_same")(wide),
        layers.Conv2D(1, 3, name="lone_filter")(wide),
    ]
    return keras.Model([gray, colour, wide], outputs)


def dense_of_every_rank() -> keras.Model:
    """Dense layers on vectors, sequences and maps, one of them on two ranks."""
    vector, sequence, image = keras.Input((8,)), keras.Input((5, 8)), keras.Input((4, 3, 8))
    shared = layers.Dense(6, name="shared")
    outputs = [
        layers.Dense(10, name="vector")(vector),
        layers.Dense(6, use_bias=False, name="sequence")(sequence),
        layers.Dense(4, name="image")(image),
        shared(vector),
        shared(image),
    ]
    return keras.Model([vector, sequence, image], outputs)
