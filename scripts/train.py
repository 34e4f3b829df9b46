"""Train `models/digits.py` on the training part of scikit-learn's digits, reproducibly, in about a minute.

    python scripts/train.py --output_path models/digits.keras
    python scripts/train.py --output_path out/l1.keras --regularize l1

Writes the network and, beside it as `.json`, where it came from. The held-out third is only used to report.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np
import tensorflow as tf

from compiler.evidence.accuracy import accuracy
from compiler.evidence.read_digits import read_digits
from models.digits import digits

REGIMES = {
    "none": "no BatchNorm, no penalty on weights",
    "bn": "BatchNorm, no penalty on weights",
    "l2": "BatchNorm, L2 penalty of 1e-3 on kernels",
    "l1": "BatchNorm, L1 penalty of 1e-4 on kernels",
}
PENALTIES = {"l1": keras.regularizers.L1(1e-4), "l2": keras.regularizers.L2(1e-3)}
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output_path", type=Path, required=True, help="the .keras file to write")
    parser.add_argument(
        "--regularize",
        choices=REGIMES,
        default="bn",
        help="; ".join(f"{name}: {text}" for name, text in REGIMES.items()) + " [default: bn]",
    )
    parser.add_argument("--epochs", type=int, default=40, help="[default: 40]")
    parser.add_argument("--seed", type=int, default=0, help="[default: 0]")
    args = parser.parse_args()

    model = train(args.regularize, epochs=args.epochs, seed=args.seed)
    held_out = read_digits("held-out")
    assert held_out.y is not None
    share = accuracy(model.predict(held_out.inputs()[0], verbose=0), held_out.y)
    model.save(args.output_path)
    provenance = {
        "network": "models/digits.py",
        "data": "scikit-learn's digits (UCI Optical Recognition of Handwritten Digits), training part: 1198 images",
        "regularize": args.regularize,
        "regime": REGIMES[args.regularize],
        "epochs": args.epochs,
        "seed": args.seed,
        "parameters": model.count_params(),
        "held_out_examples": len(held_out),
        "held_out_accuracy": round(share, 4),
        "command": f"python scripts/train.py --output_path {args.output_path.name} --regularize {args.regularize} "
        f"--epochs {args.epochs} --seed {args.seed}",
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
    args.output_path.with_suffix(".json").write_text(json.dumps(provenance, indent=2) + "\n")
    print(f"{args.output_path}: {100 * share:.1f} % of {len(held_out)} held-out digits, {args.regularize}")


def train(regime: str, *, epochs: int, seed: int) -> keras.Model:
    """A trained network without its optimiser; the same weights for the same arguments on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    data = read_digits("training")
    (x,), y = data.inputs(), data.y
    assert y is not None
    model = digits(batch_norm=regime != "none", regularizer=PENALTIES.get(regime))
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, decay_steps=epochs * -(-len(x) // BATCH))
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        model.fit(shifted(x, rng), y, batch_size=BATCH, epochs=1, verbose=0)
    plain = digits(batch_norm=regime != "none")  # neither optimiser nor penalty belong into the file
    plain.set_weights(model.get_weights())
    return plain


def shifted(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image (n, 8, 8, 1) moved by −1, 0 or 1 pixels in both directions, the border filled with ink-free paper."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    moves = rng.integers(0, 3, (len(x), 2))
    return np.stack([image[i : i + 8, j : j + 8] for image, (i, j) in zip(padded, moves, strict=True)])


if __name__ == "__main__":
    main()
