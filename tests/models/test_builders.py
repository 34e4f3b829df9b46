from __future__ import annotations

import subprocess
import sys

import keras
import pytest

from compiler.frontend.as_functional import as_functional
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.inventory import inventory
from compiler.frontend.logits import logits_model
from models import MODELS, builder

_SMALL = {"digits": (8, 8, 1), "resnet50": (32, 32, 3), "vgg16": (32, 32, 3), "mobilenet_v2": (32, 32, 3)}
_BIG = {"vgg16", "resnet50"}  # 130 MB and more: seconds in every pass


def test_the_table_of_contents_imports_no_keras():
    program = (
        "import sys, models; assert models.MODELS; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", MODELS)
def test_every_builder_takes_a_shape_and_classes(name):
    shape = _SMALL.get(name, (16, 16, 3))
    model = builder(name)(input_shape=shape, classes=7)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize(("name", "params", "sites"), [("resnet8", 78_714, 10), ("resnet20", 274_042, 22)])
def test_sizes(name, params, sites):
    """19 convolutions and a Dense for ResNet-20, and a 1×1 convolution where a stage changes the shape."""
    model = builder(name)()
    assert model.count_params() == params
    assert len(inventory(as_functional(model)).sites) == sites


@pytest.mark.parametrize("name", [name for name in MODELS if name not in _BIG])
def test_every_builder_goes_through_the_front_end(name):
    model = fold_batchnorm(as_functional(builder(name)(input_shape=_SMALL.get(name, (16, 16, 3)))))
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    assert logits_model(model)[1]


def test_an_unknown_name():
    with pytest.raises(KeyError, match="resnet9"):
        builder("resnet9")
