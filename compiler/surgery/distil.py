"""`--recover synthetic`: train the factors, original as teacher, on synthetic inputs.

    minimise  E ‖P(z' − z)‖² / E ‖P(z − z̄)‖²  +  mean over joints j of  E ‖f'_j − f_j‖² / E ‖f_j − f̄_j‖²

z are the logits (P centres a classifier's), f_j the feature maps behind each Add, where branches meet; a network
without Add has the logits alone. The factors of every site and its bias are trained, sparse values on their support
only; what the plan chose stays. Pictures are flipped and shifted at random. Adam with a step relative to each tensor's
own size (Kingma & Ba 2015); distillation: Hinton, Vinyals & Dean 2015; of features: Romero et al. 2015.
It stops when the held-out divergence has not fallen for PATIENCE looks, and the best look is what it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from compiler.datafree.study import Study
from compiler.decompose.factors import Factors
from compiler.frontend.feed import feed
from compiler.frontend.graph import calls
from compiler.frontend.read_network import Network
from compiler.frontend.rebuild import rebuild
from compiler.surgery.refit import Fitted

STEP_SIZE = 2e-3  # of a tensor's root mean square
STEPS = 120
BATCH = 64
LOOK = 20  # steps between two looks at the held-out inputs
PATIENCE = 4  # the first looks, while steps are long, are often worse


def distil(
    network: Network,
    knowledge: Study,
    fitted: Fitted,
    divergence: Callable[[Fitted], float],
    *,
    seed: int,
    fixed: frozenset[str] = frozenset(),
    steps: int = STEPS,
    step_size: float = STEP_SIZE,
    batch: int = BATCH,
    advance: Callable[[], None] = lambda: None,
) -> Fitted:
    """Trained factors, never worse on `divergence` (of held-out inputs) than `fitted`. `fixed`: sites whose bias alone
    is trained, for their kernels lie on a grid."""
    student = rebuild(network.logits, {})
    tapped = keras.Model(student.inputs, [*student.outputs, *joints_of(student)])
    variables = {name: Trained(*parts, fixed=name in fixed) for name, parts in fitted.items()}
    layers = {name: student.get_layer(name) for name in fitted}
    flat = [v for trained in variables.values() for v in trained.variables]
    heads = len(student.outputs)

    teacher = keras.Model(network.logits.inputs, [*network.logits.outputs, *joints_of(network.logits)])

    def answers(x: list[tf.Tensor]) -> list[tf.Tensor]:
        return keras.tree.flatten(teacher(feed(teacher, x), training=False))

    scales = [float(np.var(z.numpy(), axis=0).mean()) + 1e-12 for z in answers(parts_of(knowledge.inputs, batch)[0])]
    centre = network.classifier

    @tf.function(reduce_retracing=True, autograph=False)
    def slopes(x: list[tf.Tensor]) -> list[tf.Tensor]:
        wanted = answers(x)
        with tf.GradientTape() as tape:
            mapping = []
            for name, trained in variables.items():
                kernel, bias = trained.kernel_and_bias()
                mapping.append((layers[name].kernel, tf.reshape(kernel, layers[name].kernel.shape)))
                mapping.append((layers[name].bias, bias))
            with keras.StatelessScope(state_mapping=mapping):
                values = keras.tree.flatten(tapped(feed(tapped, x), training=False))
            total = tf.constant(0.0)
            for index, (value, want, scale) in enumerate(zip(values, wanted, scales, strict=True)):
                error = value - want
                if index < heads and centre:
                    error -= tf.reduce_mean(error, axis=-1, keepdims=True)
                weight = 1.0 if index < heads else 1.0 / (len(values) - heads)
                total += weight * tf.reduce_mean(error**2) / scale
        return tape.gradient(total, flat)

    random = np.random.default_rng(seed)
    best, lowest, stale = fitted, divergence(fitted), 0
    first, second = [np.zeros(v.shape, np.float32) for v in flat], [np.zeros(v.shape, np.float32) for v in flat]
    sizes = [float(np.sqrt(np.mean(v.numpy()[v.numpy() != 0] ** 2))) if np.any(v.numpy()) else 0.0 for v in flat]
    n = len(knowledge.inputs[0])
    for step in range(1, steps + 1):
        chosen = random.choice(n, min(batch, n), replace=False)
        x = [tf.constant(varied(part[chosen], random)) for part in knowledge.inputs]
        rate = float(step_size * 0.5 * (1 + np.cos(np.pi * (step - 1) / steps)))
        for i, (variable, slope) in enumerate(zip(flat, slopes(x), strict=True)):
            g = slope.numpy()
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.99 * second[i] + 0.01 * g * g
            unbiased = first[i] / (1 - 0.9**step)
            variable.assign_sub(rate * sizes[i] * unbiased / (np.sqrt(second[i] / (1 - 0.99**step)) + 1e-12))
        advance()
        if step % LOOK == 0:
            now = {name: trained.result() for name, trained in variables.items()}
            seen = divergence(now)
            if seen < lowest:
                best, lowest, stale = now, seen, 0
            else:
                stale += 1
            if stale >= PATIENCE:
                break
    return best


def joints_of(model: keras.Model) -> list[Any]:
    """Where branches meet: the outputs of all Adds."""
    return [call.outputs[0] for call in calls(model) if isinstance(call.operation, keras.layers.Add)]


def varied(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Pictures (n, H, W, 1 or 3) flipped left to right and shifted by up to an eighth, each at random; others as is."""
    if x.ndim != 4 or x.shape[3] not in (1, 3) or min(x.shape[1:3]) < 16:
        return x
    reach_h, reach_w = x.shape[1] // 8, x.shape[2] // 8
    padded = np.pad(x, ((0, 0), (reach_h, reach_h), (reach_w, reach_w), (0, 0)), mode="reflect")
    result = np.empty_like(x)
    for i in range(len(x)):
        top, left = random.integers(0, 2 * reach_h + 1), random.integers(0, 2 * reach_w + 1)
        crop = padded[i, top : top + x.shape[1], left : left + x.shape[2]]
        result[i] = crop[:, ::-1] if random.integers(2) else crop
    return result


def parts_of(inputs: tuple[np.ndarray, ...], batch: int) -> list[list[tf.Tensor]]:
    """The inputs in batches."""
    return [[tf.constant(x[i : i + batch]) for x in inputs] for i in range(0, len(inputs[0]), batch)]


class Trained:
    """Factors and bias of one site as variables."""

    def __init__(self, factors: Factors, bias: np.ndarray, *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.roles = [role for role, _ in factors.chain]
        self.chain = [tf.Variable(factor.astype(np.float32)) for _, factor in factors.chain]
        self.mask = None if factors.sparse is None else tf.constant((factors.sparse != 0).astype(np.float32))
        self.sparse = None if factors.sparse is None else tf.Variable(factors.sparse.astype(np.float32))
        self.bias = tf.Variable(bias.astype(np.float32))

    @property
    def variables(self) -> list[tf.Variable]:
        return [*([] if self.fixed else self.chain), *([] if self.sparse is None else [self.sparse]), self.bias]

    def kernel_and_bias(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The reconstructed kernel (HWIO) and the bias, differentiable."""
        kernel: tf.Tensor | None = None
        for role, factor in zip(self.roles, self.chain, strict=True):
            kernel = followed(kernel, role, tf.convert_to_tensor(factor))
        if self.sparse is not None:
            alive = self.sparse * self.mask
            kernel = alive if kernel is None else kernel + alive
        assert kernel is not None
        return kernel, tf.convert_to_tensor(self.bias)

    def result(self) -> tuple[Factors, np.ndarray]:
        chain = tuple((role, factor.numpy()) for role, factor in zip(self.roles, self.chain, strict=True))
        sparse = None if self.sparse is None else (self.sparse * self.mask).numpy()
        return Factors(chain, sparse), self.bias.numpy()


def followed(kernel: tf.Tensor | None, role: str, factor: tf.Tensor) -> tf.Tensor:
    """`decompose.factors.followed` on tensors."""
    if role == "depthwise":
        assert kernel is not None, "a depthwise factor stands behind a 1×1"
        return kernel * factor[:, :, None, :, 0]
    return factor if kernel is None else compose(kernel, factor)


def compose(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """`decompose.factors.compose` on tensors."""
    product = tf.matmul(a[:, None, :, None], b[None, :, None, :])
    h, y, w, x, i, o = product.shape
    return tf.reshape(product, (h * y, w * x, i, o))
