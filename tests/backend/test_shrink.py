from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from compiler.backend.quantize import quantize
from compiler.backend.shrink import shrink
from compiler.backend.sparsify import sparsify
from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.verify import run_raw
from compiler.errors import BadInput
from compiler.tflite import flatbuffer
from tests.backend.networks import conv_file, random_int8, same_outputs, small_int8

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "shrink.py"
needs_xmos = pytest.mark.skipif(
    importlib.util.find_spec("xmos_ai_tools") is None, reason="xmos-ai-tools has no wheel for this Python"
)


def files() -> dict[str, bytes]:
    kernel = np.where(np.random.default_rng(0).random((32, 3, 3, 32)) < 0.2, random_int8((32, 3, 3, 32)), 0)
    return {
        "int8": small_int8(),
        "float borders": small_int8("float"),
        "sparse": sparsify(conv_file(kernel.astype(np.int8))),
    }


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
@pytest.mark.parametrize("kind", ["int8", "float borders", "sparse"])
def test_outputs_are_bit_identical_in_fewer_bytes(kind: str, kernels: str, strip: bool) -> None:
    tflite = files()[kind]
    smaller = shrink(tflite, strip=strip)
    shape = Interpreter(model_content=tflite).get_input_details()[0]["shape"][1:]
    assert len(smaller) < len(tflite)
    assert same_outputs(tflite, smaller, random_int8((3, *shape)).astype(np.int8), kernels)
    assert shrink(smaller, strip=strip) == smaller
    assert stored_bytes(smaller).params == stored_bytes(tflite).params


def test_signature_names_and_metadata_survive() -> None:
    before, after = (Interpreter(model_content=t) for t in (small_int8(), shrink(small_int8())))
    assert after.get_signature_list() == before.get_signature_list()
    for details in ("get_input_details", "get_output_details"):
        assert getattr(after, details)()[0]["name"] == getattr(before, details)()[0]["name"]
    old, new = flatbuffer.read(small_int8()), flatbuffer.read(shrink(small_int8()))
    assert [entry.name for entry in new.metadata] == [entry.name for entry in old.metadata]
    for entry, was in zip(new.metadata, old.metadata, strict=True):
        assert new.buffers[entry.buffer].data.tobytes() == old.buffers[was.buffer].data.tobytes()
    assert new.description == old.description


def test_strip_takes_them_out_and_leaves_what_tools_need() -> None:
    model = flatbuffer.read(shrink(small_int8(), strip=True))
    assert (model.signatureDefs, model.metadata, model.description) == (None, [], None)
    graph = flatbuffer.subgraph(model)
    assert [flatbuffer.text(graph.tensors[i].name) for i in (graph.inputs[0], graph.outputs[0])] == [
        "input_0",
        "output_0",
    ]
    assert all(tensor.name is not None for tensor in graph.tensors)


def test_what_nothing_reads_is_gone() -> None:
    model = flatbuffer.read(small_int8())
    graph = flatbuffer.subgraph(model)
    flatbuffer.add_operator_code(model, 99)
    flatbuffer.add_buffer(model, np.arange(1000))
    kernel = next(operator.inputs[1] for name, operator in flatbuffer.operators(model) if name == "CONV_2D")
    tensor = graph.tensors[kernel]
    tensor.quantization.min, tensor.quantization.max = np.float32([-1]), np.float32([1])
    tensor.shapeSignature = tensor.shape
    graph.tensors.insert(0, type(tensor)(**vars(tensor)))  # no operator knows it
    for holder in (graph, *graph.operators):
        holder.inputs, holder.outputs = holder.inputs + 1, holder.outputs + 1
    for entry in (*model.signatureDefs[0].inputs, *model.signatureDefs[0].outputs):
        entry.tensorIndex += 1
    smaller = shrink(flatbuffer.write(model))
    assert smaller == shrink(small_int8())
    packed = flatbuffer.read(smaller)
    assert len(packed.operatorCodes) == 4  # PAD, CONV_2D, RESHAPE, FULLY_CONNECTED
    assert all(t.quantization is None or t.quantization.min is None for t in flatbuffer.subgraph(packed).tensors)


def test_kernels_with_the_same_bytes_and_scales_become_one() -> None:
    def stored(spread: float) -> tuple[int, int]:
        model = flatbuffer.read(conv_file(random_int8((8, 3, 3, 8)), calls=2))
        graph = flatbuffer.subgraph(model)
        twin = type(graph.tensors[1])(**vars(graph.tensors[1]))
        twin.name, twin.buffer = "twin", flatbuffer.add_buffer(model, np.array(model.buffers[1].data))
        twin.quantization = type(twin.quantization)(**vars(twin.quantization))
        twin.quantization.scale = twin.quantization.scale * np.float32(spread)
        graph.tensors.append(twin)
        graph.operators[1].inputs = np.int32([0, len(graph.tensors) - 1, 2])
        tflite = flatbuffer.write(model)
        smaller = shrink(tflite)
        assert same_outputs(tflite, smaller, random_int8((2, 6, 6, 8)), "reference")
        packed = flatbuffer.read(smaller)
        return len(flatbuffer.subgraph(packed).tensors), len(packed.buffers)

    assert stored(spread=1) == (5, 3)  # input, kernel, bias, two outputs; nothing, kernel, bias
    assert stored(spread=2) == (6, 3)


@functools.cache
def bias_free_int8() -> bytes:
    """Three convolutions without a bias and two Dense layers with one of zeros, all of six channels."""
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((6, 6, 6))
    x = keras.layers.Conv2D(6, 3, use_bias=False, activation="relu")(x)
    x = keras.layers.Conv2D(6, 1, use_bias=False, activation="relu")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, activation="relu")(x)
    x = keras.layers.Dense(6, activation="relu")(keras.layers.Flatten()(x))
    outputs = keras.layers.Dense(6)(x)
    calibration = np.random.default_rng(0).normal(size=(8, 6, 6, 6))
    model = flatbuffer.read(quantize(keras.Model(inputs, outputs), calibration, per_tensor_dense=True))
    tensors = flatbuffer.subgraph(model).tensors
    for name, operator in flatbuffer.operators(model):
        if name == "FULLY_CONNECTED":  # the converter leaves such a bias out; other writers do not
            tensor = type(tensors[0])(**vars(tensors[operator.inputs[1]]))
            tensor.type, tensor.shape = schema.TensorType.INT32, np.int32([6])
            tensor.buffer = flatbuffer.add_buffer(model, np.zeros(6, np.int32))
            tensor.quantization = type(tensor.quantization)(**vars(tensor.quantization))
            tensor.quantization.scale = tensor.quantization.scale * tensors[operator.inputs[0]].quantization.scale
            tensors.append(tensor)
            operator.inputs = np.int32([*operator.inputs[:2], len(tensors) - 1])
    return flatbuffer.write(model)


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
def test_biases_of_zeros_become_one_where_their_scale_is_not_read(kernels: str) -> None:
    smaller = shrink(bias_free_int8())
    model = flatbuffer.read(smaller)
    biases: dict[str, set[int]] = {name: set() for name, _ in flatbuffer.operators(model)}
    for name, operator in flatbuffer.operators(model):
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            biases[name].add(int(operator.inputs[2]))
    assert len(biases["CONV_2D"] | biases["DEPTHWISE_CONV_2D"]) == 1
    assert len(biases["FULLY_CONNECTED"] - biases["CONV_2D"]) == 2
    assert same_outputs(bias_free_int8(), smaller, random_int8((20, 6, 6, 6)), kernels)


@pytest.mark.parametrize("shift", [0, 1])
def test_biases_that_mean_different_things_stay_apart(shift: int) -> None:
    model = flatbuffer.read(bias_free_int8())
    graph = flatbuffer.subgraph(model)
    for number, (name, operator) in enumerate(flatbuffer.operators(model)):
        if name == "CONV_2D":  # the same bytes, at different scales, or different bytes
            values = np.array([0, 0, 900, 0, 0, -700], np.int32) + shift * number
            graph.tensors[operator.inputs[2]].buffer = flatbuffer.add_buffer(model, values)
    tflite = flatbuffer.write(model)
    smaller = flatbuffer.read(shrink(tflite))
    first, second = (op.inputs[2] for name, op in flatbuffer.operators(smaller) if name == "CONV_2D")
    assert first != second
    assert same_outputs(tflite, shrink(tflite), random_int8((20, 6, 6, 6)), "reference")


def test_a_free_batch_stays_free() -> None:
    model = flatbuffer.read(small_int8())
    graph = flatbuffer.subgraph(model)
    graph.tensors[graph.inputs[0]].shapeSignature = np.int32([-1, 12, 12, 3])
    details = Interpreter(model_content=shrink(flatbuffer.write(model))).get_input_details()[0]
    assert details["shape_signature"].tolist() == [-1, 12, 12, 3]


def test_what_is_neither_weight_nor_bias_is_little() -> None:
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8, 8, 48))
    for _ in range(6):
        y = keras.layers.Conv2D(48, 3, padding="same", activation="relu", bias_initializer="random_normal")(x)
        x = keras.layers.Add()([x, y])
    tflite = quantize(keras.Model(inputs, x), np.random.default_rng(0).normal(size=(4, 8, 8, 48)))
    stored = stored_bytes(shrink(tflite))
    assert 1 - stored.weight_bytes / stored.file_bytes < 0.07


@pytest.mark.parametrize("strip", [False, True])
class TestTools:
    """The programs that read such files accept them and do the same as before."""

    @needs_xmos
    def test_tflite_micro(self, strip: bool) -> None:
        from compiler.backend.targets.tflm import run_tflm

        tflite = small_int8(per_tensor_dense=True)
        inputs = random_int8((2, 12, 12, 3))
        (outputs,), _ = run_tflm(shrink(tflite, strip=strip), [(i[None],) for i in inputs], "TFLite Micro")
        assert np.array_equal(outputs, run_raw(tflite, inputs, kernels="reference")[0])

    @needs_xmos
    def test_xcore_opt(self, strip: bool, tmp_path: Path) -> None:
        sizes = set()
        for name, tflite in (("before", small_int8()), ("after", shrink(small_int8(), strip=strip))):
            (tmp_path / f"{name}.tflite").write_bytes(tflite)
            tool = Path(sys.executable).with_name("xcore-opt")
            run = subprocess.run(
                [tool, "-o", f"{name}.xc", f"{name}.tflite"], cwd=tmp_path, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr
            sizes.add(stored_bytes((tmp_path / f"{name}.xc").read_bytes()).weight_bytes)
        assert len(sizes) == 1

    def test_vela(self, strip: bool, tmp_path: Path) -> None:
        (tmp_path / "small.tflite").write_bytes(shrink(small_int8(), strip=strip))
        vela = Path(sys.executable).with_name("vela")
        run = subprocess.run(
            [vela, "--accelerator-config", "ethos-u55-128", "small.tflite"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        assert "CPU operators = 0" in run.stdout


class TestScript:
    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)

    def test_a_file_in_a_smaller_file_out(self, tmp_path: Path) -> None:
        (tmp_path / "in.tflite").write_bytes(small_int8())
        done = self.run(tmp_path / "in.tflite", tmp_path / "out.tflite", "--strip")
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "out.tflite").read_bytes() == shrink(small_int8(), strip=True)
        assert (tmp_path / "in.tflite").read_bytes() == small_int8()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in.tflite", "out.tflite"]

    @pytest.mark.parametrize("case", ["missing", "foreign", "truncated", "no folder"])
    def test_bad_input_is_one_sentence_and_leaves_the_output_alone(self, case: str, tmp_path: Path) -> None:
        content = {"foreign": b"\x89PNG\r\n\x1a\n" * 9, "truncated": small_int8()[:-500]}.get(case, small_int8())
        source, output = tmp_path / "in.tflite", tmp_path / "out.tflite"
        output.write_bytes(b"old")
        if case != "missing":
            source.write_bytes(content)
        done = self.run(source, tmp_path / "none" / "out.tflite" if case == "no folder" else output)
        expected = {
            "missing": "can't read",
            "foreign": "is not a TFLite file",
            "truncated": "is damaged or cut off",
            "no folder": "can't write into",
        }
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert expected[case] in done.stderr
        assert str(tmp_path) in done.stderr
        assert done.stderr.count("\n") == 1
        assert output.read_bytes() == b"old"


def test_weights_outside_of_the_flatbuffer_are_refused() -> None:
    model = flatbuffer.read(small_int8())
    model.buffers[2].offset = 4096
    with pytest.raises(BadInput, match="outside of its flatbuffer"):
        shrink(write_with_offset(model))


def write_with_offset(model: object) -> bytes:
    """As TFLite writes files beyond 2 GB; `flatbuffer.write` never does."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), flatbuffer.IDENTIFIER)  # type: ignore[attr-defined]
    return bytes(builder.Output())
