"""Hand the compressed network to its user for training, and take it back as it was agreed.

Given   the split network; some of its kernels hold zeros that the file does not store, others only select channels,
Result  the network that the hook trained: every zero is a zero still, every selection selects what it did.

Keras' optimizers apply a variable's constraint after each step (`keras.optimizers.Optimizer.apply`), so zeros stay
zeros all along; a hook that trains by other means finds them put back at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from compiler.errors import BadInput

Finetune = Callable[[keras.Model], keras.Model | None]


class KeepZeros(keras.constraints.Constraint):
    """w ← w · mask, with `mask` of zeros and ones in the kernel's shape."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def __call__(self, w: Any) -> Any:
        return w * keras.ops.cast(self.mask, w.dtype)


def finetune(
    model: keras.Model, hook: Finetune, few_bits: Mapping[str, np.ndarray] = MappingProxyType({})
) -> keras.Model:
    """What `hook(model)` returns, or `model` as the hook left it, where it returns None.

    The hook may train as it likes, with data or without, layers by name; the model it leaves has to take and give the
    same shapes and to keep the layers whose kernels hold zeros. Raises BadInput where it does not, or where a weight
    is not finite.
    """
    zeros = {
        layer.name: layer.kernel.numpy() != 0
        for layer in kernels(model)
        if layer.name not in few_bits and not np.all(layer.kernel.numpy())
    }
    selections = {layer.name: layer.kernel.numpy() for layer in kernels(model) if selects(layer.kernel.numpy())}
    for name, mask in zeros.items():
        layer = model.get_layer(name)
        layer.kernel.constraint = KeepZeros(mask)
        layer.trainable = name not in selections
    returned = hook(model)
    tuned = model if returned is None else returned
    refuse_other(model, tuned)
    found = {layer.name: layer for layer in kernels(tuned)}
    for name in sorted(few_bits.keys() - found.keys()):
        raise BadInput(
            f"the fine-tuned model lacks layer '{name}', whose kernel has few bits; leave the names as they are."
        )
    for name, mask in zeros.items():
        if name not in found or found[name].kernel.shape != mask.shape:
            raise BadInput(
                f"the fine-tuned model lacks layer '{name}' with its kernel {mask.shape}, whose zeros the file counts "
                "on; train the layers that the hook was given, and add none in their place."
            )
        kernel = found[name].kernel
        kernel.constraint = None
        kernel.assign(selections[name] if name in selections else kernel.numpy() * mask)
        assert not np.any(kernel.numpy()[~mask])
    return tuned


def kernels(model: keras.Model) -> list[keras.Layer]:
    """All layers with a kernel."""
    return [layer for layer in model.layers if getattr(layer, "kernel", None) is not None]


def selects(kernel: np.ndarray) -> bool:
    """A gather or scatter: zeros, and in each row or each column at most a single one."""
    ones = kernel.reshape(-1, kernel.shape[-1])
    if not np.all((ones == 0) | (ones == 1)) or np.all(ones):
        return False
    return bool(np.all(ones.sum(axis=0) <= 1) and np.all(ones.sum(axis=1) <= 1))


def refuse_other(model: keras.Model, tuned: Any) -> None:
    """Raise BadInput for anything that can't take the model's place."""
    if not isinstance(tuned, keras.Model):
        raise BadInput(f"finetune= returned {type(tuned).__name__}; return a Keras model, or None for the one given.")
    for side in ("inputs", "outputs"):
        wanted, got = ([tuple(t.shape) for t in getattr(m, side)] for m in (model, tuned))
        if wanted != got:
            raise BadInput(f"the fine-tuned model has {side} {got} where the compressed one has {wanted}; keep them.")
    for weight in tuned.weights:
        if not np.all(np.isfinite(weight.numpy())):
            raise BadInput(
                f"fine-tuning left {weight.path} with NaN or infinite values; lower the learning rate and try again."
            )
