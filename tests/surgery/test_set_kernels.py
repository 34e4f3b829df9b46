"""Kernels and biases go in as HWIO and come out again, and nothing else changes."""

from __future__ import annotations

import numpy as np

from compiler.surgery.set_kernels import kernel_of, set_kernels
from tests.frontend import networks
from tests.surgery.cases import normal_form


def test_what_is_set_is_what_is_read() -> None:
    model, inventory = normal_form(networks.residual())
    before = {site.name: kernel_of(model, site.name) for site in inventory.sites}
    assert {name: kernel.shape for name, (kernel, _) in before.items()} == {
        site.name: site.kernel_shape for site in inventory.sites
    }
    changed = inventory.sites[1].name  # a Dense: its kernel has two dimensions in Keras, four here
    assert inventory.sites[1].kind == "dense"
    kernel, bias = before[changed]
    set_kernels(model, {changed: (kernel + 1, bias - 1)})
    for name, (old_kernel, old_bias) in before.items():
        step = 1.0 if name == changed else 0.0
        np.testing.assert_array_equal(kernel_of(model, name)[0], old_kernel + step)
        np.testing.assert_array_equal(kernel_of(model, name)[1], old_bias - step)


def test_a_dense_kernel_is_that_of_a_1x1_convolution() -> None:
    model, inventory = normal_form(networks.residual())
    dense = inventory.sites[1]
    np.testing.assert_array_equal(kernel_of(model, dense.name)[0][0, 0], np.asarray(model.get_layer(dense.name).kernel))
