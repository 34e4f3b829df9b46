from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.confined import confined
from compiler.run.target_of import target_of


def options(**changes: Any) -> Options:
    return Options(input_path=Path("net.keras"), output_path=Path("net.tflite"), **changes)


def test_the_accelerator_is_the_target_s_own() -> None:
    assert target_of(options(target="ethos_u")).accelerator == "ethos-u55-128"  # type: ignore[attr-defined]
    found = target_of(options(target="ethos_u", accelerator="ethos-u65-256"))
    assert found.accelerator == "ethos-u65-256"  # type: ignore[attr-defined]


def test_a_limit_of_ram_is_told_of_compressed_files_to_a_tool_that_can_choose() -> None:
    target = target_of(options(target="ethos_u", max_arena_bytes=6144))
    assert target == target_of(options(target="ethos_u"))  # the original is what it is
    assert confined(target, 9000, 6144).sram_bytes == 6144  # type: ignore[attr-defined]
    assert confined(target, 9000, None).sram_bytes == 9000  # type: ignore[attr-defined]
    other = target_of(options(target="cortex_m"))
    assert confined(other, 9000, 6144) == other


def test_the_c_of_a_network_is_called_as_asked() -> None:
    assert target_of(options(target="c")).c_name == "model"  # type: ignore[attr-defined]
    assert target_of(options(target="c", c_name="keyword")).c_name == "keyword"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accelerator": "ethos-u65-256"}, r"--accelerator is read by --target ethos_u, not by mobile"),
        ({"target": "ethos_u", "accelerator": "u99"}, r"no accelerator 'u99': use one of ethos-u55-32, .*-u85-2048"),
        ({"c_name": "keyword"}, r"--c_name is read by --target c, not by mobile; add that"),
        ({"target": "c", "c_name": "My Net"}, r"'My Net' can't name the network in C: use small letters, digits"),
        ({"target": "c", "c_name": "add_s8"}, r"'add_s8' can't name the network in C: add_s8\.c or \.h is another"),
        ({"target": "c", "c_name": "main"}, r"'main' can't name the network in C"),
        ({"target": "cortex_m", "keep_target_files": True}, r"cortex_m runs the \.tflite as it is, .* --target xcore"),
        ({"target": "xcore", "io": "uint8"}, r"--io uint8: xcore runs files with int8 or float .* use --io int8"),
        ({"target": "ethos_u", "io": "float"}, r"--io float: ethos_u runs files with int8 or uint8"),
        (
            {"target": "xcore", "pruning_structure": "unstructured"},
            r"xcore can't hold unstructured .* filter or channel, or --target mobile\.$",
        ),
        ({"target": "xcore", "compression_type": "cp"}, r"xcore can't hold CP chains: .* --compression_type hybrid\.$"),
        (
            {"target": "cortex_m", "pruning_structure": "unstructured", "compression_type": "spars"},
            r"cortex_m can't hold unstructured sparsity: TFLite Micro has no kernel .* --pruning_structure filter or",
        ),
    ],
)
def test_what_a_target_can_not_do_is_refused_with_the_nearest_that_it_can(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        target_of(options(**changes))


def test_what_is_not_read_is_not_refused() -> None:
    assert target_of(options(target="xcore", pruning_structure="unstructured", compression_type="tucker"))
    assert target_of(options(target="xcore", keep_target_files=True, io="float"))
