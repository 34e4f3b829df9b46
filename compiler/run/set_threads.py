"""How many cores one run may use."""

from __future__ import annotations

import contextlib


def set_threads(jobs: int) -> None:
    """Give TensorFlow `jobs` cores; too late, and left alone, where it has already run in this process."""
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(jobs)
        tf.config.threading.set_inter_op_parallelism_threads(1)
