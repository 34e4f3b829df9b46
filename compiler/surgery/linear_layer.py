"""One factor of a site as a built Keras layer. Kernels HWIO, activations NHWC."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.types import ConvSite

SPATIAL = ("core", "vertical", "horizontal", "depthwise")  # roles that carry the site's stride, padding and dilation


def linear_layer(
    site: ConvSite,
    name: str,
    kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    depthwise: bool = False,
    **geometry: Any,
) -> keras.Layer:
    """A Conv2D (where the site is a Dense: a Dense) with `kernel` HWIO and `bias` (c_out,), or none, as its weights.

    `geometry`: strides, padding and dilation_rate of a Conv2D. `depthwise`: a DepthwiseConv2D whose kernel is
    (k_h, k_w, channels, filters a channel).
    """
    *size, c_in, c_out = kernel.shape
    shared: dict[str, Any] = {
        "use_bias": bias is not None,
        "dtype": "float32",
        "name": name,
    }
    if site.kind == "dense":
        layer = layers.Dense(c_out, kernel_initializer="zeros", **shared)
        layer.build((None, c_in))
        kernel = kernel[0, 0]
    else:
        if depthwise:
            layer = layers.DepthwiseConv2D(
                tuple(size), depth_multiplier=c_out, depthwise_initializer="zeros", **shared, **geometry
            )
        else:
            layer = layers.Conv2D(c_out, tuple(size), kernel_initializer="zeros", **shared, **geometry)
        layer.build((None, None, None, c_in))
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return layer


def geometry(site: ConvSite, role: str, *, strides_here: bool = False) -> dict[str, Any]:
    """Stride, padding and dilation of a factor of a convolution; {} for those of a Dense.

    "core", "depthwise" and "sparse" have the site's own. A kernel that is 1 wide is neither padded nor dilated along
    that axis, so "vertical" and "horizontal" have one axis' share each, and "same" splits exactly: its padding is
    chosen axis by axis from that axis' size, kernel, stride and dilation. The 1×1 factors have none, but for the one
    with `strides_here`: a chain of 1×1 factors alone is strided on its first.
    """
    if site.kind == "dense":
        return {}
    (s_h, s_w), (d_h, d_w) = site.strides, site.dilation
    match role:
        case "core" | "depthwise" | "sparse":
            return {"strides": site.strides, "padding": site.padding, "dilation_rate": site.dilation}
        case "vertical":
            return {"strides": (s_h, 1), "padding": site.padding, "dilation_rate": (d_h, 1)}
        case "horizontal":
            return {"strides": (1, s_w), "padding": site.padding, "dilation_rate": (1, d_w)}
        case _:
            return {"strides": site.strides} if strides_here else {}
