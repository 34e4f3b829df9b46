"""The sparse branch of a site as the target emits it.

Where the target stores zeros (or codes them cheaply), the branch is one convolution of the site's own shape. Elsewhere
it is a smaller dense convolution between a gather of the input channels that it reads and a scatter to the output
channels that it writes,

    S ∗ x = scatter(S[:, :, I, O] ∗ gather(x, I), O)        I, O: the channels where S isn't zero

with gather and scatter either GATHER and PAD (a zero channel behind the others, from which the channels outside of O
are gathered) or 1×1 convolutions of zeros and ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from compiler.backend.targets.target import Target
from compiler.decompose.factors import Factors
from compiler.errors import CheckFailed
from compiler.frontend.rebuild import copy_of
from compiler.surgery.linear_layer import geometry, linear_layer
from compiler.types import Choice, ConvSite

Subgraph = Callable[[Any], Any]


def sparse_branch(
    site: ConvSite,
    choice: Choice,
    factors: Factors,
    bias: np.ndarray | None,
    target: Target,
    name: Callable[[str], str],
) -> Subgraph:
    """A function from the site's input to the branch's output (c_out channels, the site's `bias` (c_out,) added
    where it is given); its layers are made here, once, under the names that `name(role)` gives.

    The branch consists of what `target.emitted(site, choice)` prices; of a block structure's channels it may take
    fewer. Raises CheckFailed if `factors.sparse` reaches more channels than were priced.
    """
    kernel = factors.sparse
    assert kernel is not None, f"the choice of '{site.name}' has a sparse branch, its factors have none"
    convs, selections = target.emitted(site, choice)
    branch = next(e for e in convs if e.role == "sparse")
    by_conv = {e.role for e in convs} & {"gather", "scatter"}
    roles = by_conv | {s.role for s in selections}
    *_, n_in, n_out = branch.kernel
    least_in, least_out = (1, 1) if choice.structure == "block" else (n_in, n_out)
    here = geometry(site, "sparse")

    parts: list[Subgraph] = []
    if "gather" in roles:
        kept_in = reached(site, kernel, 2, least_in, n_in)
        ones = np.eye(site.c_in, dtype=np.float32)[None, None, :, kept_in]
        gather_conv = linear_layer(site, name("gather"), ones) if "gather" in by_conv else None
        parts.append(gather_conv or gather(kept_in, name("gather")))
        kernel = kernel[:, :, kept_in]
    if "scatter" not in roles:
        parts.append(linear_layer(site, name("sparse"), kernel, bias, **here))
        return chained(parts)
    kept_out = reached(site, kernel, 3, least_out, n_out)
    if "scatter" in by_conv:
        # Equally loud in between: one scale serves all of them there (see `decompose/equalise.py`).
        loud = np.ones(site.c_out, np.float32) if factors.loudness is None else factors.loudness
        parts.append(linear_layer(site, name("sparse"), (kernel / loud)[..., kept_out], **here))
        parts.append(linear_layer(site, name("scatter"), np.diag(loud)[None, None, kept_out], bias))
    else:
        assert bias is None, "a branch that is scattered without arithmetic has no place for a bias"
        parts.append(linear_layer(site, name("sparse"), kernel[..., kept_out], **here))
        parts.append(scatter(kept_out, site.c_out, name))
    return chained(parts)


def reached(site: ConvSite, kernel: np.ndarray, axis: int, least: int, most: int) -> list[int]:
    """Channels along `axis` where the kernel isn't zero, filled up to `least` with the first of the others."""
    alive = np.any(kernel, axis=tuple(a for a in range(4) if a != axis))
    count = int(np.count_nonzero(alive))
    if count > most:
        side = ("input", "output")[axis - 2]
        raise CheckFailed(
            f"the sparse branch of layer '{site.name}' reaches {count} {side} channels, and its choice was priced "
            f"with {most}; report it with the model"
        )
    first = np.argsort(~alive, kind="stable")
    return sorted(first[: max(count, least)].tolist())


def gather(indices: list[int], name: str) -> Subgraph:
    """The channels `indices`, in their order."""
    take = named(lambda x: keras.ops.take(x, indices, axis=-1), name)
    return lambda x: take(x, indices)


def scatter(indices: list[int], channels: int, name: Callable[[str], str]) -> Subgraph:
    """Channel k becomes channel indices[k] of `channels`; the others are zero."""
    sources = [len(indices)] * channels  # the zero channel
    for source, channel in enumerate(indices):
        sources[channel] = source
    pads: dict[int, keras.Operation] = {}  # by rank: a Dense may be called on tensors of several
    take = gather(sources, name("scatter"))

    def apply(x: Any) -> Any:
        rank = len(x.shape)
        if rank not in pads:
            widths = ((0, 0),) * (rank - 1) + ((0, 1),)
            pads[rank] = named(lambda x: keras.ops.pad(x, widths), name("pad"), rank)
        return take(pads[rank](x))

    return apply


def named(function: Callable[[Any], Any], name: str, rank: int = 2) -> keras.Operation:
    """The `keras.ops` operation that `function` calls, under a name of ours.

    Operations that Keras names are numbered by the session, and clash with those in a network saved by another one.
    """
    x = keras.Input((1,) * (rank - 1))
    return copy_of(keras.Model(x, function(x)).operations[-1], name=name)


def chained(parts: list[Subgraph]) -> Subgraph:
    def apply(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return apply
