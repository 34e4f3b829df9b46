"""Sweeps: which rows there are, that none is done twice, what a dead worker costs, and the page over them."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest

from compiler.errors import BadInput
from compiler.options import Options
from compiler.report.progress import Silent
from compiler.report.read_report import read_report
from compiler.sweep.rows import key_of_row, name_of, rows
from compiler.sweep.sweep import PAGE, sweep
from compiler.sweep.workers import spread
from compiler.verbs import main
from tests.run.ray_head import ray_head
from tests.sweep import work
from tests.sweep.work import slow_row
from tests.tiny import save_tiny


@pytest.fixture
def asked(tmp_path: Path) -> Options:
    (tmp_path / "net.keras").write_bytes(b"a network")
    return Options(input_path=tmp_path / "net.keras", output_path=tmp_path / "sweep" / "row.tflite", jobs=1)


def some(asked: Options, count: int) -> list[Options]:
    factors = [0.9 - 0.05 * k for k in range(count)]
    return rows(
        asked, networks=[asked.input_path], factors=factors, structures=["auto"], types=["hybrid"], targets=["mobile"]
    )


def test_rows_are_every_combination_once(asked: Options) -> None:
    found = rows(
        asked,
        networks=[asked.input_path],
        factors=[0.5, 0.3],
        structures=["auto", "block"],
        types=["hybrid", "tucker"],
        targets=["mobile", "cortex_m"],
    )
    assert len(found) == 2 * 2 * (2 + 1)  # no structure changes tucker
    names = {name_of(row) for row in found}
    assert {"net-hybrid-block4x4-p50-w8a8-mobile", "net-tucker-p30-w4a8-cortex_m"} <= names
    assert len({row.output_path for row in found}) == len(found)


def test_a_row_is_named_for_its_bits(asked: Options) -> None:
    assert "-w4a8-mobile" in name_of(replace(asked, weight_bits=4))
    assert "-w2a8-c" in name_of(replace(asked, target="c"))
    assert "-w8a8-c" in name_of(replace(asked, target="c", weight_bits=8))
    assert key_of_row(replace(asked, weight_bits=4)) != key_of_row(asked)


def test_a_row_is_keyed_by_what_can_change_it(asked: Options, tmp_path: Path) -> None:
    key = key_of_row(asked)
    assert key_of_row(replace(asked, jobs=2, quiet=True, output_path=tmp_path / "other.tflite")) == key
    assert key_of_row(replace(asked, seed=1)) != key
    (tmp_path / "copy.keras").write_bytes(b"a network")
    assert key_of_row(replace(asked, input_path=tmp_path / "copy.keras")) == key
    asked.input_path.write_bytes(b"another network")
    assert key_of_row(asked) != key


def test_two_networks_of_one_name_are_refused(asked: Options) -> None:
    with pytest.raises(BadInput, match="the same file name"):
        rows(asked, networks=[asked.input_path] * 2, factors=[0.5], structures=["auto"], types=["hybrid"],
             targets=["mobile"])  # fmt: skip


def test_it_goes_on_where_it_stopped(asked: Options) -> None:
    folder = asked.output_path.parent / "rows"
    folder.mkdir(parents=True)
    todo = some(asked, 4)
    for row in todo[:2]:
        slow_row(row)
    assert len(sweep(todo, cluster=None, workers=1, progress=Silent(), work=slow_row)) == 4
    began = [line for line in (folder / "log.txt").read_text().splitlines() if line.startswith("began")]
    assert len(began) == 4
    sweep(todo, cluster=None, workers=1, progress=Silent(), work=slow_row)
    assert len((folder / "log.txt").read_text().splitlines()) == 8


def test_rows_run_side_by_side_in_processes(asked: Options) -> None:
    cloudpickle.register_pickle_by_value(work)
    (asked.output_path.parent / "rows").mkdir(parents=True)
    todo = some(asked, 4)
    assert sorted(spread(slow_row, todo, None, 2)) == sorted(row.output_path.stem for row in todo)
    log = (asked.output_path.parent / "rows" / "log.txt").read_text().split()
    assert len(set(log[2::3])) == 2


def sweep_with_a_death(asked: Options, count: int, cluster: str) -> tuple[int, list[list[str]]]:
    """Sweep `count` rows on a `cluster` whose first worker to begin one is killed at it; each is ended once, one begun
    twice. Returns (the killed process, the words of the log)."""
    cloudpickle.register_pickle_by_value(work)
    log = asked.output_path.parent / "rows" / "log.txt"
    log.parent.mkdir(parents=True)
    todo = some(asked, count)
    killed: list[int] = []

    def kill() -> None:
        while not (log.exists() and log.read_text()):
            time.sleep(0.02)
        killed.append(int(log.read_text().split()[2]))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    found = sweep(todo, cluster=cluster, workers=1, progress=Silent(), work=slow_row)
    killer.join()
    assert len(found) == count
    words = [line.split() for line in log.read_text().splitlines()]
    ended = [name for what, name, _ in words if what == "ended"]
    assert sorted(ended) == sorted(row.output_path.stem for row in todo)
    assert sum(what == "began" for what, _, _ in words) > len(ended)
    return killed[0], words


def test_a_worker_that_dies_loses_nothing(asked: Options) -> None:
    """A Dask scheduler with two workers; one is killed while it works."""
    distributed = pytest.importorskip("distributed", reason="needs requirements-extra.txt")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        killed, log = sweep_with_a_death(asked, 8, cluster.scheduler_address.replace("tcp", "dask"))
    assert killed not in {int(pid) for what, _, pid in log if what == "ended"}


def test_a_ray_worker_that_dies_loses_nothing(asked: Options) -> None:
    """joblib gives the whole round up; the next does what is left."""
    pytest.importorskip("ray", reason="needs requirements-extra.txt")
    with tempfile.TemporaryDirectory(prefix="ray") as head, ray_head(Path(head)) as address:
        sweep_with_a_death(asked, 6, address)


@pytest.mark.parametrize("cluster", ["slurm://a:1", "dask://", "10.0.0.5:8786"])
def test_a_cluster_that_is_none_is_refused(asked: Options, cluster: str) -> None:
    with pytest.raises(BadInput, match="such as dask://"):
        list(spread(slow_row, some(asked, 1), cluster, 1))


def test_a_cluster_that_is_not_there_is_refused(asked: Options) -> None:
    pytest.importorskip("distributed", reason="needs requirements-extra.txt")
    with pytest.raises(BadInput, match="can't be reached"):
        list(spread(slow_row, some(asked, 1), "dask://127.0.0.1:9", 1))


def test_the_verb_sweeps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Real rows: two that work, one that no file can meet, one that its target has not."""
    save_tiny(tmp_path)
    flags = ["sweep", "--input_path", str(tmp_path / "net.keras"), "--output_folder", str(tmp_path / "out")]
    flags += ["--factors", "0.6,0.01", "--types", "tucker"]
    assert main(flags) == 0
    done, refused, page = capfd.readouterr().out.splitlines()
    assert "-tucker-p60-" in done
    assert "keeps 5" in done
    assert "--compression_factor 0.01 can't be met" in refused
    assert page == str(tmp_path / "out" / PAGE)
    (report,) = (tmp_path / "out").glob("*.report.json")
    assert read_report(report).kept <= 0.6
    text = Path(page).read_text()
    assert f'href="{report.name.replace(".json", ".html")}"' in text
    assert text.count("<svg") == 1
    stamp = report.stat().st_mtime_ns
    assert main([*flags[:-2], "--types", "tucker,spars", "--structures", "filter", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [row["compression_type"] for row in found] == ["tucker", "tucker", "spars", "spars"]
    assert report.stat().st_mtime_ns == stamp
    assert main([*flags, "--targets", "toaster"]) == 2
    assert "'toaster' is none of mobile" in capfd.readouterr().err
