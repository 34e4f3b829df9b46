"""Networks to start from: `MODELS` is the table of contents, one line a builder, `name → "module:function"`.

A builder is `build(input_shape=(h, w, c), classes=n) -> keras.Model`: untrained, with defaults for both. Importing
this package imports no Keras; `builder(name)` does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

MODELS = {
    "digits": "models.digits:digits",
    "resnet8": "models.resnet_cifar:resnet8",
    "resnet20": "models.resnet_cifar:resnet20",
    "resnet56": "models.resnet_cifar:resnet56",
    "resnet50": "models.imagenet:resnet50",
    "vgg16": "models.imagenet:vgg16",
    "mobilenet_v2": "models.imagenet:mobilenet_v2",
}


def builder(name: str) -> Callable[..., Any]:
    """The builder under `name`; KeyError if there is none."""
    module, _, function = MODELS[name].partition(":")
    return getattr(importlib.import_module(module), function)
