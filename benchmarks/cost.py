"""What compressing costs against the size of the network: time and peak memory, stage by stage, on one core and two.

    python benchmarks/cost.py                           every network and number of cores that has no result yet
    python benchmarks/cost.py --network resnet8         one of them

The networks are those of `models/` with random weights, at their own input sizes, half of the weights kept, default
settings, nothing from the cache. Each row is a process of its own that may use so many cores (where the system lets a
process be bound to cores, it is). Rows are written to `benchmarks/results/cost.json` as they come; those that are there
are kept, `--again` repeats them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / "benchmarks" / "results" / "cost.json"
NETWORKS = ("resnet8", "resnet20", "resnet56", "mobilenet_v2", "resnet50", "vgg16")  # by what they cost
CORES = (1, 2)
FACTOR = 0.5
LONGEST = 4 * 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, action="append", help="may be repeated [default: all]")
    parser.add_argument("--cores", type=int, choices=CORES, action="append", help="likewise [default: both]")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too [default: off]")
    parser.add_argument("--one", action="store_true", help="measure in this process and print it as JSON")
    given = parser.parse_args()
    networks, cores = given.network or NETWORKS, given.cores or CORES
    if given.one:
        print(json.dumps(measured(networks[0], cores[0])))
        return 0
    rows: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else {}
    for network in networks:
        for count in cores:
            name = f"{network} {count}"
            if name in rows and not given.again:
                continue
            rows[name] = process(network, count)
            rows = dict(sorted(rows.items(), key=lambda row: by_cost(row[0])))
            print(name, {k: v for k, v in rows[name].items() if k != "stages"}, flush=True)
            machine = {"machine": platform.machine(), "python": platform.python_version()}
            RESULTS.write_text(json.dumps({"suite": "cost", **machine, "rows": rows}, indent=1) + "\n")
    return 0


def by_cost(name: str) -> tuple[int, int]:
    """Where a row stands: behind those of smaller networks."""
    network, count = name.split()
    return NETWORKS.index(network), int(count)


def process(network: str, cores: int) -> dict[str, Any]:
    """The row's figures, or the sentence that says why there are none."""
    command = [sys.executable, str(Path(__file__).resolve()), "--one", f"--network={network}", f"--cores={cores}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {LONGEST:.0f} s."}
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"no message, exit code {done.returncode}"]
        return {"error": last[0]}
    return json.loads(done.stdout.splitlines()[-1])


class Profile:
    """A `Progress` that notes when each stage begins; stages of one name are added up."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self.title, self.since = "Starting", now()

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the present stage."""
        entry = self.stages.setdefault(self.title, {"seconds": 0.0, "processor_seconds": 0.0, "peak_memory_bytes": 0.0})
        entry["seconds"] += now()[0] - self.since[0]
        entry["processor_seconds"] += now()[1] - self.since[1]
        entry["peak_memory_bytes"] = peak_memory()  # of all until here: the stage that raises it is seen

    def stage(self, title: str, total: int | None = None) -> None:
        self.close()
        self.title, self.since = re.sub(r" \d+ ", " ", title.partition(":")[0]), now()

    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def now() -> tuple[float, float]:
    """Seconds on the wall, and of processor time of this process: the second does not see what others do."""
    return time.monotonic(), time.process_time()


def peak_memory() -> int:
    """Bytes, of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measured(network: str, cores: int) -> dict[str, Any]:
    """Compress one network in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import keras

    from compiler.options import Options
    from compiler.pipeline import compress
    from models import builder

    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.keras"
        model = builder(network)()
        model.save(path)
        del model
        options = Options(
            input_path=path,
            output_path=Path(folder) / "out.tflite",
            compression_factor=FACTOR,
            jobs=cores,
            no_cache=True,
            no_html=True,
        )
        began, profile = now(), Profile()
        with profile:
            result = compress(options, progress=profile)
        ended = now()
    convs = [layer for layer in result.layers if layer.macs_before is not None]
    return {
        "layers": len(convs),
        "weights": result.original.params,
        "macs": result.original.macs,
        "kept": result.compressed.stored_weight_bytes / result.original.stored_weight_bytes,
        "seconds": ended[0] - began[0],
        "processor_seconds": ended[1] - began[1],
        "peak_memory_bytes": peak_memory(),
        "stages": profile.stages,
    }


if __name__ == "__main__":
    sys.exit(main())
