"""How many cores one run may use."""

from __future__ import annotations

import contextlib

from threadpoolctl import threadpool_limits


def set_threads(jobs: int) -> None:
    """Give TensorFlow `jobs` cores (too late, and left alone, where it has already run in this process), BLAS one.

    The core is many small products, in which BLAS threads mostly wait for each other: one thread took a quarter of
    the processor time of two. And a sum that is always added up in the same order can't change a bit with `jobs`.
    """
    import tensorflow as tf

    threadpool_limits(1, user_api="blas")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(jobs)
        tf.config.threading.set_inter_op_parallelism_threads(1)
