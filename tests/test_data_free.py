"""Without data no data set is read: every loader is poisoned, and the main job runs all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.options import Options

NETWORK = Path(__file__).resolve().parents[1] / "models/digits.keras"


@pytest.mark.usefixtures("poisoned_loaders")
def test_the_main_job_reads_no_data_set(tmp_path: Path) -> None:
    from compiler.pipeline import compress

    result = compress(Options(input_path=NETWORK, output_path=tmp_path / "net.tflite", compression_factor=0.5))
    assert (tmp_path / "net.tflite").stat().st_size == result.compressed.file_bytes
    assert result.evidence.tier == "estimated"
    assert result.kept <= 0.5


@pytest.mark.usefixtures("poisoned_loaders")
def test_the_poison_works(tmp_path: Path) -> None:
    from compiler.pipeline import compress

    with pytest.raises(AssertionError, match="loaded a data set"):
        compress(Options(input_path=NETWORK, output_path=tmp_path / "net.tflite", data="digits"))
