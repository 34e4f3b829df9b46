"""ImageNet networks as `keras.applications` builds them, untrained (no download)."""

from __future__ import annotations

import keras


def resnet50(input_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> keras.Model:
    """He et al., "Deep Residual Learning for Image Recognition" (2016); input BGR minus the channel means."""
    return keras.applications.ResNet50(weights=None, input_shape=input_shape, classes=classes)


def vgg16(input_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> keras.Model:
    """Simonyan & Zisserman, "Very Deep Convolutional Networks" (2015); input BGR minus the channel means."""
    return keras.applications.VGG16(weights=None, input_shape=input_shape, classes=classes)


def mobilenet_v2(input_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> keras.Model:
    """Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), width 1; input -1..1."""
    return keras.applications.MobileNetV2(weights=None, input_shape=input_shape, classes=classes)
