from __future__ import annotations

import copy

import keras
import pytest
from keras import layers

from compiler.errors import UnsupportedModel
from compiler.frontend.mend_config import mend_config


def _graph(*entries: dict, class_name: str = "Functional", **more: object) -> dict:
    return {"class_name": class_name, "config": {"name": "net", "layers": list(entries)}, **more}


def _layer(class_name: str, name: str = "layer", *, module: str | None = None, **config: object) -> dict:
    return {"class_name": class_name, "config": {"name": name, **config}} | ({"module": module} if module else {})


def _mended(*entries: dict, class_name: str = "Functional") -> list[dict]:
    return mend_config(_graph(*entries, class_name=class_name), keras_2=True)["config"]["layers"]


def test_keras_3_is_left_as_it_is_and_the_given_one_too():
    inputs = keras.Input((8, 8, 3))
    x = layers.TimeDistributed(layers.Dense(3))(layers.Conv2D(4, 3, activation=layers.PReLU())(inputs))
    inner = keras.Sequential([keras.Input((6, 6, 3)), layers.Dropout(0.5)])
    config = keras.saving.serialize_keras_object(keras.Model(inputs, keras.ops.relu(inner(x))))
    before = copy.deepcopy(config)
    assert mend_config(config, keras_2=False) == before
    assert config == before
    old = _graph(_layer("DepthwiseConv2D", groups=1))
    mend_config(old, keras_2=True)
    assert old["config"]["layers"][0]["config"]["groups"] == 1


def test_arguments_without_effect_are_dropped():
    depthwise, transposed, norm, flip = _mended(
        _layer("DepthwiseConv2D", kernel_size=3, groups=1, kernel_initializer={"class_name": "Zeros", "config": {}}),
        _layer("Conv2DTranspose", filters=4, groups=1),
        _layer("BatchNormalization", axis=[3], fused=True, virtual_batch_size=None),
        _layer("RandomFlip", mode="horizontal", rng_type="stateful"),
    )
    assert depthwise["config"] == {"name": "layer", "kernel_size": 3}
    assert transposed["config"] == {"name": "layer", "filters": 4}
    assert norm["config"] == {"name": "layer", "axis": 3}
    assert flip["config"] == {"name": "layer", "mode": "horizontal"}


def test_an_argument_with_effect_is_refused():
    with pytest.raises(
        UnsupportedModel, match=r"layer 'bn' \(BatchNormalization\) .* virtual_batch_size=8, which Keras 3"
    ):
        _mended(_layer("BatchNormalization", "bn", virtual_batch_size=8))


def test_a_renamed_argument_is_renamed():
    (leaky,) = _mended(_layer("LeakyReLU", alpha=0.1))
    assert leaky["config"] == {"name": "layer", "negative_slope": 0.1}


def test_policies_become_names_inside_wrappers_too():
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    (wrapper,) = _mended(_layer("TimeDistributed", layer=_layer("DepthwiseConv2D", "inner", dtype=policy, groups=1)))
    assert wrapper["config"]["layer"]["config"] == {"name": "inner", "dtype": "mixed_float16"}


def test_a_first_layers_shape_becomes_an_input_layer():
    config = _graph(
        _layer("Conv2D", "conv", batch_input_shape=[None, 8, 8, 3]),
        _layer("Dense", batch_input_shape=[None, 3]),
        class_name="Sequential",
    )
    first, conv, dense = mend_config(_graph(config), keras_2=True)["config"]["layers"][0]["config"]["layers"]
    assert first == {"class_name": "InputLayer", "config": {"batch_shape": [None, 8, 8, 3], "name": "conv_input"}}
    assert "batch_input_shape" not in {**conv["config"], **dense["config"]}
    (inputs,) = _mended(_layer("InputLayer", batch_input_shape=[None, 4], ragged=False))
    assert inputs["config"] == {"name": "layer", "batch_shape": [None, 4], "ragged": False}


def test_a_sequential_of_old_is_a_bare_list():
    mended = mend_config({"class_name": "Sequential", "config": [_layer("Dense")]}, keras_2=True)
    assert [layer["class_name"] for layer in mended["config"]["layers"]] == ["Dense"]


def test_slashes_go_from_every_mention():
    config = _graph(_layer("Dense", "block/dense"), _layer("ReLU", "relu"))
    config["config"]["layers"][1]["inbound_nodes"] = [[["block/dense", 0, 0, {}]]]
    mended = mend_config(config, keras_2=True)["config"]["layers"]
    assert mended[0]["config"]["name"] == "block_dense"
    assert mended[1]["inbound_nodes"] == [[["block_dense", 0, 0, {}]]]


@pytest.mark.parametrize("module", ["tf_keras.src.engine.functional", "keras.src.engine.functional"])
def test_modules_that_are_gone_are_replaced(module):
    mended = mend_config(_graph(_layer("Dense", module="keras.layers"), module=module), keras_2=True)
    assert mended["module"] == "keras.src.models.functional"
    assert mended["config"]["layers"][0]["module"] == "keras.layers"


@pytest.mark.parametrize("keras_2", [False, True])
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            _layer("Lambda", "f"),
            r"layer 'f' is a Lambda, and Python code in a file is never run; replace it by a Keras",
        ),
        (_layer("Dense", activation={"class_name": "__lambda__", "config": {}}), "the model holds a Python lambda"),
        (_layer("TFSMLayer", "f"), "layer 'f' is a TFSMLayer, which wraps another framework's code; replace it"),
        (_layer("SlicingOpLambda", "f"), "layer 'f' is a raw TensorFlow slice; replace it by a Keras layer"),
        (_layer("Mine", "f"), "layer 'f' is of the custom class 'Mine', whose code is not in the file; replace it"),
        (_layer("Dense", "f", module="mine"), "layer 'f' is of the custom class 'Dense'"),
        (_layer("Dense", "f") | {"registered_name": "Custom>Dense"}, "layer 'f' is of the custom class 'Dense'"),
        (_graph(_layer("Lambda", "f"), class_name="Sequential"), "layer 'f' is a Lambda"),
        (_layer("TimeDistributed", layer=_layer("Lambda", "f")), "layer 'f' is a Lambda"),
    ],
)
def test_code_is_refused(entry, message, keras_2):
    with pytest.raises(UnsupportedModel, match=message):
        mend_config(_graph(entry), keras_2=keras_2)


def test_a_subclassed_model_is_refused():
    with pytest.raises(UnsupportedModel, match=r"the model is of the subclassed type 'Mine'.*keras\.Model\(inputs"):
        mend_config({"class_name": "Mine", "config": {}}, keras_2=False)
