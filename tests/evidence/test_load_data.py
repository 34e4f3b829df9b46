from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.load_data import load_data

X = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
Y = np.array([0, 1, 2, 0, 1, 2])


def _npz(folder: Path, **arrays: Any) -> str:
    path = folder / "examples.npz"
    np.savez(path, **arrays)
    return str(path)


def _load(spec: str, **settings: Any):
    return load_data(spec, **{"input_shape": (4, 4, 3), "classes": 3, **settings})


def test_npz_is_kept_small_and_scaled_on_demand(tmp_path: Path) -> None:
    data = _load(_npz(tmp_path, x=X, y=Y), input_scale=255, input_mean=(0.1, 0.2, 0.3), input_std=(0.5, 0.25, 2.0))
    assert data.x[0].dtype == np.uint8
    (inputs,) = data.inputs(np.array([5, 1]))
    assert inputs.dtype == np.float32
    assert inputs == pytest.approx((X[[5, 1]] / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2.0], abs=1e-6)
    assert np.concatenate([b[0] for b in data.batches(4)]) == pytest.approx(data.inputs()[0])
    assert data.y is not None
    assert (list(data.y), len(data)) == (list(Y), 6)


def test_unlabelled_npz(tmp_path: Path) -> None:
    assert _load(_npz(tmp_path, x=X)).y is None


def test_labels_of_a_column_and_of_whole_floats_are_class_ids(tmp_path: Path) -> None:
    data = _load(_npz(tmp_path, x=X, y=Y[:, None].astype(float)))
    assert data.y is not None
    assert data.y.shape == (6,)
    assert data.y.dtype == np.int64


def test_several_inputs(tmp_path: Path) -> None:
    data = _load(_npz(tmp_path, x0=X, x1=X[:, 0, 0], y=Y), input_shape=((4, 4, 3), (3,)))
    assert [x.shape for x in data.inputs()] == [(6, 4, 4, 3), (6, 3)]
    with pytest.raises(BadInput, match="6 examples of one input and 5 of another"):
        _load(_npz(tmp_path, x0=X, x1=X[:5, 0, 0], y=Y), input_shape=((4, 4, 3), (3,)))


def test_limit_takes_a_mixed_choice_and_says_so(tmp_path: Path) -> None:
    x = np.zeros((1000, 1), np.float32) + np.arange(1000)[:, None]
    spec = _npz(tmp_path, x=x, y=np.repeat(np.arange(10), 100))
    data = load_data(spec, input_shape=(1,), classes=10, limit=100)
    assert len(data) == 100
    assert data.y is not None
    assert len(np.unique(data.y)) == 10
    assert np.array_equal(data.x[0][:, 0] // 100, data.y)
    assert data.name == "100 of 1000 of examples.npz"
    assert np.array_equal(data.x[0], load_data(spec, input_shape=(1,), classes=10, limit=100).x[0])


def test_sizes_that_the_network_leaves_open_are_free(tmp_path: Path) -> None:
    assert len(_load(_npz(tmp_path, x=X), input_shape=(None, None, 3))) == 6


def test_labels_of_other_networks_are_kept(tmp_path: Path) -> None:
    boxes = np.random.default_rng(0).normal(size=(6, 2, 4))
    data = _load(_npz(tmp_path, x=X, y=boxes), classes=None)
    assert data.y is not None
    assert np.array_equal(data.y, boxes)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X[:, :3], "y": Y}, r"shape 3×4×3, the network takes 4×4×3; store examples of that shape"),
        ({"x": X.transpose(0, 3, 1, 2), "y": Y}, r"the channels come first, so store x\.transpose\(0, 2, 3, 1\)"),
        ({"x": X[..., :1], "y": Y}, r"store examples of 3 channels"),
        ({"x": X[:0], "y": Y[:0]}, r"has no examples"),
        ({"x": X.astype(str), "y": Y}, r"x of dtype <U\d+; store numbers"),
        ({"x": X.astype(complex), "y": Y}, r"x of dtype complex128; store numbers"),
        ({"x": np.where(X == 7, np.nan, X), "y": Y}, r"NaN or infinite values in 2 examples"),
        ({"x": X, "y": Y[:5]}, r"6 examples and 5 labels; give one label for each"),
        ({"x": X, "y": np.int64(3)}, r"6 examples and one value"),
        ({"x": X, "y": Y + 1}, r"labels from 1 to 3, the network has 3 classes; number the labels 0 to 2"),
        ({"x": X, "y": Y - 1}, r"labels from -1 to 1"),
        ({"x": X, "y": Y + 0.5}, r"labels of dtype float64; give integer class ids"),
        ({"x": X, "y": np.where(Y == 1, np.inf, Y)}, r"NaN or infinite labels of 2 examples; remove those examples"),
        ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, r"NaN or infinite labels of 2 examples"),
        ({"x": X, "y": Y.astype(str)}, r"labels of dtype <U\d+; give integer class ids"),
        ({"x": X, "y": np.eye(3)[Y]}, r"labels of shape \(6, 3\).*y\.argmax\(1\)"),
        (
            {"images": X, "labels": Y},
            r"holds images, labels but no x; save the examples with np\.savez\(path, x=…, y=…\)",
        ),
        ({"x": np.float32(1)}, r"a single number as x"),
        ({"x": np.array([{}] * 6)}, r"holds Python objects, not numbers"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        _load(_npz(tmp_path, **arrays))


def test_gray_images_without_their_axis(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"add the channel axis, x\[\.\.\., None\]"):
        _load(_npz(tmp_path, x=X[..., 0]), input_shape=(4, 4, 1))


def test_files_that_are_no_archive(tmp_path: Path) -> None:
    whole = Path(_npz(tmp_path, x=X)).read_bytes()
    for content in (b"", b"not an archive", whole[: len(whole) // 2]):
        broken = tmp_path / "broken.npz"
        broken.write_bytes(content)
        with pytest.raises(BadInput, match=r"can't be read as an \.npz file|holds Python objects"):
            _load(str(broken))
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, X)
    with pytest.raises(BadInput, match=r"single array \(\.npy\)"):
        _load(str(tmp_path / "array.npz"))
    with pytest.raises(BadInput, match="does not exist"):
        _load(str(tmp_path / "absent.npz"))


def test_means_must_match_the_channels(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--input_mean has 2 numbers and the examples of --data have 3 channels"):
        _load(_npz(tmp_path, x=X), input_mean=(0.0, 1.0))


def test_a_wrong_scale_is_noticed(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    spec = _npz(tmp_path, x=noise)
    with pytest.raises(BadInput, match=r"feeds the network values from 0 to 25\d, where it expects about -2 to 2"):
        _load(spec, input_range=(-2, 2))
    with pytest.raises(BadInput, match="where it expects about 0 to 255; set --input_scale"):
        _load(spec, input_range=(0, 255), input_scale=255)
    _load(spec, input_range=(-2, 2), input_scale=127.5, input_mean=(1.0,))


def test_the_flag_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^--calibration_data .* nor a known name; give an \.npz file"):
        _load(str(tmp_path / "nowhere"), flag="--calibration_data")
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(BadInput, match="is a file of another kind"):
        _load(str(tmp_path / "file.txt"))


def _image(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 2, 3)).save(path)


def test_folder_names_are_class_ids_or_are_numbered(tmp_path: Path) -> None:
    for name in ("10", "2", "0"):
        _image(tmp_path / "ids" / name / "a.png", int(name))
    data = _load(str(tmp_path / "ids"), classes=11)
    assert data.y is not None
    assert sorted(data.y) == [0, 2, 10]
    assert np.array_equal(data.x[0][:, 0, 0, 0], data.y)  # the red of each image is its class id
    for value, name in enumerate(("cat", "dog")):
        _image(tmp_path / "names" / name / "a.png", value)
    data = _load(str(tmp_path / "names"), classes=2)
    assert data.y is not None
    assert list(data.y) == [0, 1]


def test_folder_without_classes_is_unlabelled(tmp_path: Path) -> None:
    _image(tmp_path / "a.png", 1)
    (tmp_path / "notes.txt").write_text("not an image")
    data = _load(str(tmp_path))
    assert (len(data), data.y) == (1, None)
    assert _load(str(tmp_path), input_shape=(None, None, 1)).x[0].shape == (1, 4, 4, 1)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no images"):
        _load(str(tmp_path))
    _image(tmp_path / "0" / "a.png", 1)
    with pytest.raises(BadInput, match=r"takes no images; give an \.npz file"):
        _load(str(tmp_path), input_shape=(5,))
    _image(tmp_path / "0" / "b.png", 1, size=(5, 4))
    with pytest.raises(BadInput, match=r"b\.png is 4×5 pixels, the network takes 4×4; resize the images as"):
        _load(str(tmp_path))
    whole = (tmp_path / "0" / "a.png").read_bytes()
    for content in (b"no image", whole[: len(whole) // 2]):
        (tmp_path / "0" / "b.png").write_bytes(content)
        with pytest.raises(BadInput, match=r"b\.png can't be read as an image"):
            _load(str(tmp_path))
    (tmp_path / "0" / "b.png").unlink()
    _image(tmp_path / "00" / "b.png", 1)
    with pytest.raises(BadInput, match="two folders of the same class id"):
        _load(str(tmp_path))
    _image(tmp_path / "cat" / "b.png", 1)
    with pytest.raises(BadInput, match=r"mixes class ids \(0\) and names \(cat\)"):
        _load(str(tmp_path))
    _image(tmp_path / "loose.png", 1)
    with pytest.raises(BadInput, match="images and folders of images"):
        _load(str(tmp_path))


def test_functions_run_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_examples.py").write_text(
        "import numpy as np\n"
        "X = np.zeros((6, 4, 4, 3), np.uint8)\n"
        "def unlabelled(): return X\n"
        "def labelled(): return X, [0, 1, 2, 0, 1, 2]\n"
        "def two(): return [X, X[:, 0, 0]], None\n"
        "def fails(): raise KeyError('images')\n"
        "def nothing(): return None\n"
        "def ragged(): return [[1, 2], [3]], [0, 1]\n"
        "def ragged_labels(): return X, [[1, 2], [3], 0, 0, 0, 0]\n"
        "def infinite(): return X, [0, 1, 2, 0, 1, float('inf')]\n"
    )
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    assert _load("my_examples:unlabelled").y is None
    assert list(_load("my_examples:labelled").y) == [0, 1, 2, 0, 1, 2]  # type: ignore[arg-type]
    assert len(_load("my_examples:two", input_shape=((4, 4, 3), (3,))).x) == 2
    for spec, message in (
        ("my_examples:fails", "failed with KeyError: 'images'; mend the function"),
        ("my_examples:nothing", "returned no array of examples"),
        ("my_examples:ragged", "ragged returned a list whose parts differ in shape, .*; return arrays of numbers"),
        ("my_examples:ragged_labels", "ragged_labels returned a list whose parts differ in shape"),
        ("my_examples:infinite", "NaN or infinite labels of 1 examples"),
        ("my_examples:absent", "has no function 'absent'"),
        ("no_such_module:f", "importing 'no_such_module' failed with ModuleNotFoundError"),
    ):
        with pytest.raises(BadInput, match=message):
            _load(spec)
    assert sys.path == path


def test_digits_are_held_out() -> None:
    from compiler.evidence.read_digits import read_digits

    held_out, training = load_data("digits", input_shape=(8, 8, 1), classes=10), read_digits("training")
    assert (len(held_out), len(training)) == (599, 1198)
    assert held_out.x[0].min() == 0
    assert held_out.x[0].max() == 1
    assert held_out.y is not None
    counts = np.bincount(held_out.y)
    assert counts.min() >= 57
    assert counts.max() <= 62
    together = np.concatenate([held_out.x[0], training.x[0]]).reshape(1797, -1)
    assert len(np.unique(together, axis=0)) == 1797  # no image is in both parts, none is missing


def test_keras_datasets_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    gray = np.zeros((4, 28, 28), np.uint8)
    module = types.ModuleType("mnist")
    module.load_data = lambda: ((None, None), (gray, np.arange(4)[:, None]))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keras.datasets.mnist", module)
    data = load_data("keras.datasets.mnist", input_shape=(28, 28, 1), classes=10)
    assert data.x[0].shape == (4, 28, 28, 1)
    assert list(data.y) == [0, 1, 2, 3]  # type: ignore[arg-type]

    def offline() -> None:
        raise Exception("URL fetch failure")

    module.load_data = offline  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match=r"could not be downloaded .*give the images as \.npz"):
        load_data("mnist", input_shape=(28, 28, 1), classes=10)


def test_nothing_heavy_is_imported_for_an_npz(tmp_path: Path) -> None:
    """Reading data, and not reading any, pays for no reader of other sources."""
    code = (
        "import sys\n"
        "from compiler.evidence.load_data import load_data\n"
        f"load_data({_npz(tmp_path, x=X)!r}, input_shape=(4, 4, 3))\n"
        "print([m for m in ('sklearn', 'PIL', 'keras', 'tensorflow', 'scipy') if m in sys.modules])\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
