"""The files of a finished run: the network, its plan, its report and, on request, the compressed Keras model."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from compiler.options import Options
from compiler.report.page import page
from compiler.report.report_json import report_json
from compiler.result import Result
from compiler.run.finished import Finished
from compiler.run.plan_json import plan_json
from compiler.run.refuse_overwrite import refuse_overwrite
from compiler.run.write_files import write_files


def write_result(options: Options, done: Finished) -> Result:
    """All of them, or none; gives the result as written. Raises BadInput where one is a file that the run has read."""
    native = native_files(options, done)
    result = with_hashes(done.result, options.output_path.parent, native)
    contents = {
        options.output_path: done.tflite,
        options.plan_path: plan_json(done.plan).encode(),
        options.report_path: report_json(result).encode(),
    }
    if not options.no_html:
        contents[options.html_path] = page(result).encode()
    if options.save_keras:
        contents[options.keras_path] = keras_bytes(done)
    refuse_overwrite(options, native)
    write_files(contents | native, folders={path.parent for path in native} - {options.output_path.parent})
    return result


def native_files(options: Options, done: Finished) -> dict[Path, bytes]:
    """What is built for the device, where that is not the TFLite file itself."""
    wanted = done.target.is_source or options.keep_target_files
    files = done.target.files(done.tflite, options.output_path.stem, done.borders) if wanted else {}
    return {options.output_path.parent / name: content for name, content in files.items()}


def with_hashes(result: Result, folder: Path, native: Mapping[Path, bytes]) -> Result:
    """The result that knows the files for the device, by their paths from `folder`: `verify` tells them by it."""
    if result.details is None:
        return result
    hashes = tuple((str(path.relative_to(folder)), hashlib.sha256(data).hexdigest()) for path, data in native.items())
    return replace(result, details=replace(result.details, tool_files=hashes))


def keras_bytes(done: Finished) -> bytes:
    """The compressed Keras model as a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        done.model.save(path)
        return path.read_bytes()
