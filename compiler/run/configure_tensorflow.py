"""How TensorFlow and BLAS run in this process: on how many threads, and which graphs TensorFlow may rewrite."""

from __future__ import annotations

import contextlib

from threadpoolctl import threadpool_limits

THREADS = 2  # of TensorFlow


def configure_tensorflow() -> None:
    """Give TensorFlow THREADS threads (too late, and left alone, where it has already run in this process), BLAS one.

    Neither number follows `--jobs` or the machine: TensorFlow's gradients are sums that its threads share, so that
    another number of them gives other inputs, and in the end another file. More than two gain little at the size of
    these networks. The core is many small products, in which BLAS threads mostly wait for each other: one thread took
    a quarter of the processor time of two.

    TensorFlow rewrites no graph. Its remapper fuses a convolution with an Add whose other side is a Pad (the shortcut
    of a CIFAR ResNet) into an operation that writes to memory that isn't its own, and the process dies (2.21, oneDNN);
    and what the others make of sums of large gradients differs from trace to trace, so that one seed gave many inputs.
    """
    import tensorflow as tf

    threadpool_limits(1, user_api="blas")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)
