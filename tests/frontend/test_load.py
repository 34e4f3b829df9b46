from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from compiler.errors import BadInput, UnsupportedModel
from compiler.frontend.check_equal import random_inputs
from compiler.frontend.load import load, with_input_shape
from models import builder
from tests.frontend.networks import NETWORKS, image, nested, randomize, residual, sequential, values


def _assert_same(found: keras.Model, expected: keras.Model) -> None:
    inputs = random_inputs(expected)
    for a, b in zip(values(found, inputs), values(expected, inputs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_keras_archives(build, tmp_path):
    model = randomize(build())
    model.save(tmp_path / "net.keras")
    _assert_same(load(tmp_path / "net.keras"), model)


@pytest.mark.filterwarnings("ignore:.*save your model as an HDF5 file")
@pytest.mark.parametrize("build", [sequential, residual, nested])
@pytest.mark.parametrize("name", ["net.h5", "net.hdf5"])
def test_hdf5_of_keras_3(build, name, tmp_path):
    model = randomize(build())
    model.save(tmp_path / "net.h5")
    (tmp_path / "net.h5").rename(tmp_path / name)
    _assert_same(load(tmp_path / name), model)


def test_the_suffix_does_not_matter_and_the_file_stays_as_it_is(tmp_path):
    model = randomize(residual())
    model.save(tmp_path / "net.keras")
    content = (tmp_path / "net.keras").read_bytes()
    (tmp_path / "net.keras").rename(tmp_path / "net.model")
    _assert_same(load(tmp_path / "net.model"), model)
    assert (tmp_path / "net.model").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["net.model"]


def _as_keras_2(node: object) -> object:
    """A configuration as Keras 2 would have written it, in everything that Keras 3 stops at."""
    if isinstance(node, list):
        return [_as_keras_2(child) for child in node]
    if not isinstance(node, dict):
        return "block/depthwise" if node == "depthwise" else node
    node = {key: _as_keras_2(value) for key, value in node.items()}
    match node.get("class_name"):
        case "Functional":
            node["module"] = "keras.src.engine.functional"
        case "InputLayer":
            node["config"]["batch_input_shape"] = node["config"].pop("batch_shape")
            del node["config"]["optional"]
        case "DepthwiseConv2D":
            node["config"]["groups"] = 1
        case "BatchNormalization":
            node["config"] |= {"axis": [3], "renorm": False}
        case "DTypePolicy":
            node["class_name"], node["module"] = "Policy", "keras.mixed_precision"
    return node


@pytest.mark.filterwarnings("ignore:.*save your model as an HDF5 file")
def test_hdf5_of_keras_2(tmp_path):
    model = randomize(residual())
    path = tmp_path / "net.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = _as_keras_2(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
    with pytest.raises(Exception, match=r".+"):
        keras.models.load_model(path, compile=False)
    content = path.read_bytes()
    loaded = load(path)
    _assert_same(loaded, model)
    assert loaded.get_layer("block_depthwise")
    assert path.read_bytes() == content


def test_archives_of_keras_2(tmp_path):
    model = randomize(residual())
    model.save(tmp_path / "new.keras")
    _rewrite(
        tmp_path / "new.keras",
        tmp_path / "old.keras",
        {
            "config.json": lambda text: json.dumps(_as_keras_2(json.loads(text))),
            "metadata.json": lambda text: json.dumps({"keras_version": "2.15.0"}),
        },
    )
    with pytest.raises(Exception, match=r".+"):
        keras.models.load_model(tmp_path / "old.keras", compile=False)
    _assert_same(load(tmp_path / "old.keras"), model)


def _rewrite(old: Path, new: Path, members: dict) -> None:
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            target.writestr(member, members[member](content) if member in members else content)


def test_a_lambda_in_a_file_is_not_run(tmp_path):
    inputs = image()
    keras.Model(inputs, layers.Lambda(lambda x: 1 / 0, lambda s: s, name="bomb")(inputs)).save(tmp_path / "net.keras")
    with pytest.raises(UnsupportedModel, match=r"net\.keras: layer 'bomb' is a Lambda, and Python code in a file is"):
        load(tmp_path / "net.keras")


def test_a_custom_layer_and_a_subclassed_model_are_refused(tmp_path):
    class Mine(layers.Layer):
        def call(self, x):
            return x

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    inputs = image()
    keras.Model(inputs, Mine(name="mine")(inputs)).save(tmp_path / "layer.keras")
    with pytest.raises(UnsupportedModel, match="layer 'mine' is of the custom class 'Mine', whose code is not"):
        load(tmp_path / "layer.keras")
    net = Net()
    net(np.zeros((1, 3), np.float32))
    net.save(tmp_path / "net.keras")
    with pytest.raises(UnsupportedModel, match="the model is of the subclassed type 'Net', whose graph is not"):
        load(tmp_path / "net.keras")


# Files that are no networks.


def test_missing_folder_and_foreign_files(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere\.keras does not exist; check --input_path"):
        load(tmp_path / "nowhere.keras")
    with pytest.raises(BadInput, match=r"is a folder \(a SavedModel\?\); save the model with model\.save"):
        load(tmp_path)
    for content in (b"", b"\x20\x00\x00\x00ONNX and so on", b"#!/bin/sh"):
        (tmp_path / "net.keras").write_bytes(content)
        with pytest.raises(BadInput, match=r"net\.keras is neither a \.keras nor an HDF5 nor a TFLite file; save"):
            load(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(BadInput, match=r"photos\.zip is a zip but not a \.keras file; save the model"):
        load(tmp_path / "photos.zip")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "net.keras").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match=r"net\.keras can't be read \(Permission denied\); check its permissions"):
        load(tmp_path / "net.keras")


@pytest.mark.filterwarnings("ignore:.*save your model as an HDF5 file")
@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_truncated_files(suffix, share, tmp_path):
    path = tmp_path / f"net.{suffix}"
    randomize(residual()).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadInput, match=r"is damaged or truncated \(.*\); copy it again from its source"):
        load(path)


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "net.keras"
    randomize(residual()).save(path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("model.weights.h5").header_offset
    content[start + 2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"is damaged or truncated \(model\.weights\.h5\); copy it again"):
        load(path)


def test_an_archive_without_sense(tmp_path):
    model = randomize(residual())
    model.save(tmp_path / "net.keras")
    bad = tmp_path / "bad.keras"
    _rewrite(tmp_path / "net.keras", bad, {"config.json": lambda text: "{"})
    with pytest.raises(BadInput, match=r"bad\.keras: its description of the network is no JSON \(.*\); save the model"):
        load(bad)
    _rewrite(tmp_path / "net.keras", bad, {"config.json": lambda text: "[1]"})
    with pytest.raises(BadInput, match="its description of the network is no JSON object; save the model"):
        load(bad)
    _rewrite(tmp_path / "net.keras", bad, {"config.json": lambda text: '{"class_name": "Functional"}'})
    with pytest.raises(BadInput, match=r"its description of the network is incomplete \(KeyError.*\); save it again"):
        load(bad)
    _rewrite(
        tmp_path / "net.keras", bad, {"config.json": lambda text: text.replace(b'"filters": 4', b'"filters": "x"')}
    )
    with pytest.raises(BadInput, match=r"bad\.keras can't be read by Keras 3.*; open it with the Keras that wrote it"):
        load(bad)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(value, tmp_path):
    model = randomize(nested())
    kernel = model.get_layer("second").get_layer("conv").kernel
    kernel.assign(np.where(np.arange(4) == 2, value, kernel))
    model.save(tmp_path / "net.keras")
    with pytest.raises(BadInput, match=r"net\.keras: layer 'conv' has NaN or infinite weights \(kernel\); train the"):
        load(tmp_path / "net.keras")


# Weights with a builder.


def test_weights_and_a_builder(tmp_path):
    model = randomize(builder("resnet8")(input_shape=(16, 16, 3), classes=7))
    model.save_weights(tmp_path / "net.weights.h5")
    _assert_same(load(tmp_path / "net.weights.h5", model_name="resnet8", input_shape=(16, 16, 3)), model)


@pytest.mark.filterwarnings("ignore:.*save your model as an HDF5 file")
def test_weights_of_keras_2_and_a_builder(tmp_path):
    """They lie as in the group `model_weights` of a whole model, whatever the suffix."""
    model = randomize(builder("resnet8")(classes=7))
    model.save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5") as whole, h5py.File(tmp_path / "net.weights.h5", "w") as weights:
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", weights)
        weights.attrs.update(whole["model_weights"].attrs)
    _assert_same(load(tmp_path / "net.weights.h5", model_name="resnet8"), model)


def test_weights_without_the_right_builder(tmp_path):
    path = tmp_path / "net.weights.h5"
    builder("resnet8")().save_weights(path)
    with pytest.raises(
        BadInput, match=r"net\.weights\.h5 holds weights but no graph; name its builder with --model \("
    ):
        load(path)
    with pytest.raises(BadInput, match=r"--model resnet9 is not in models/; it is one of .*resnet8"):
        load(path, model_name="resnet9")
    with pytest.raises(BadInput, match=r"the weights in .* don't fit --model resnet20 \(.*\); name the builder"):
        load(path, model_name="resnet20")
    model = residual()
    model.save(tmp_path / "net.keras")
    with pytest.raises(BadInput, match=r"net\.keras holds its own graph; leave --model resnet8 out"):
        load(tmp_path / "net.keras", model_name="resnet8")


# Open dimensions.


def _open_network() -> keras.Model:
    inputs = image("photo", (None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    return randomize(keras.Model(inputs, layers.Dense(2)(x)))


@pytest.mark.parametrize("wrap", [False, True])
def test_open_dimensions_take_the_input_shape(wrap, tmp_path):
    model = _open_network()
    if wrap:
        model = keras.Sequential([image("photo", (None, None, 3)), layers.Rescaling(2.0), model])
    model.save(tmp_path / "net.keras")
    loaded = load(tmp_path / "net.keras", input_shape=(16, 12, 3))
    assert [(t.name, t.shape) for t in loaded.inputs] == [("photo", (None, 16, 12, 3))]
    x = np.ones((2, 16, 12, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_input_shapes_that_do_not_fit(tmp_path):
    path = tmp_path / "net.keras"
    _open_network().save(path)
    with pytest.raises(BadInput, match=r"input 'photo' is \?,\?,3; fix it with --input_shape, as 224,224,3"):
        load(path)
    for shape in ((16, 16), (16, 16, 1)):
        with pytest.raises(BadInput, match=r"--input_shape 16,16(,1)? does not fit input 'photo', \?,\?,3"):
            load(path, input_shape=shape)
    with pytest.raises(
        BadInput, match=r"the network can't take --input_shape 2,2,3 \(.*\); give the shape that it was"
    ):
        load(path, input_shape=(2, 2, 3))
    with pytest.raises(BadInput, match=r"--input_shape is 9,9,3, but the network's is fixed at 8,8,3"):
        with_input_shape(residual(), (9, 9, 3))
    fixed = residual()
    assert with_input_shape(fixed, (8, 8, 3)) is fixed


# Real files.


def test_accuracy_of_a_keras_2_file(shared):
    """DS-CNN, saved by Keras 2 with `groups` in its depthwise layers; 90.4 % is what its authors' Keras gives."""
    data = np.load(shared / "data" / "kws_dev.npz")
    model = load(shared / "models" / "ds_cnn_kws.h5")
    answers = np.asarray(model(data["x"].reshape(-1, 49, 10, 1), training=False)).argmax(-1)
    assert np.mean(answers == data["y"].ravel()) == pytest.approx(0.904)


def test_real_files_load_and_stay_as_they_are(shared, tmp_path):
    for name in ("mobilenet_v1_025_vww.h5", "resnet20_cifar10.keras"):
        path = tmp_path / name
        shutil.copyfile(shared / "models" / name, path)
        content = path.read_bytes()
        load(path)
        assert path.read_bytes() == content
