"""No file that a run reads is one that it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from compiler.errors import BadInput
from compiler.options import Options


def refuse_overwrite(options: Options, native: Iterable[Path] = ()) -> None:
    """Raise BadInput where a file of the run is one of its sources, by another name or through a link too. `native`:
    what the target's tool adds. A plan that is replayed to the place it came from may be written anew."""
    sources = files_read(options)
    beside = f"--target {options.target}"
    for path, flag in {**files_written(options), **dict.fromkeys(native, beside)}.items():
        for source_flag, source in sources.items():
            if source_flag == "--plan" and path == options.plan_path:
                continue
            if same(path, source):
                raise BadInput(
                    f"{flag} would write {path.name} over {source_flag} {source}; name another --output_path."
                )


def files_written(options: Options) -> Mapping[Path, str]:
    """Every file that is known before the run, and the flag that it is written for."""
    found = dict.fromkeys((options.output_path, options.plan_path, options.report_path), "--output_path")
    if not options.no_html:
        found[options.html_path] = "--output_path"
    if options.save_keras:
        found[options.keras_path] = "--save_keras"
    return found


def files_read(options: Options) -> Mapping[str, Path]:
    """Every source that may be a file, by flag."""
    given = {
        "--input_path": options.input_path,
        "--plan": options.plan,
        "--data": options.data,
        "--calibration_data": options.calibration_data,
    }
    return {flag: Path(value) for flag, value in given.items() if value is not None}


def same(path: Path, source: Path) -> bool:
    """Both are there, and are one file."""
    try:
        return path.samefile(source)
    except OSError:  # one of them is not there
        return False
