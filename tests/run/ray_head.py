"""A Ray cluster of one machine with two workers, for the time of a test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def ray_head(folder: Path) -> Iterator[str]:
    """Its address as --cluster takes it. What Ray writes stays in `folder`, whose path is short: it holds sockets."""
    settings = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "HOME": str(folder)}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    port = free_port()
    flags = ["--head", "--block", "--num-cpus=2", f"--port={port}", "--include-dashboard=false", "--num-gpus=0"]
    flags += ["--object-store-memory=80000000", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1"]
    with open(folder / "head.log", "w") as log:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *flags],
            env={**os.environ, **settings, "PYTHONPATH": path}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until = time.monotonic() + 120
        while "Ray runtime started" not in (folder / "head.log").read_text():
            if head.poll() is not None or time.monotonic() > until:
                raise TimeoutError((folder / "head.log").read_text())
            time.sleep(0.2)
        with mock.patch.dict(os.environ, settings):  # the driver has to agree with the head
            yield f"ray://127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(60)
