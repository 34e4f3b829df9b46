"""Take out of a .tflite what no runtime needs: `python scripts/shrink.py in.tflite out.tflite [--strip]`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.errors import BadInput, CompilerError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Write the same network in fewer bytes; its outputs stay bit-identical.",
        epilog="example: python scripts/shrink.py model.tflite small.tflite",
    )
    parser.add_argument("input", type=Path, help="any .tflite file")
    parser.add_argument("output", type=Path, help="where the smaller file goes; may be the input")
    parser.add_argument(
        "--strip", action="store_true", help="also drop signatures, metadata and the names of inputs and outputs"
    )
    options = parser.parse_args(arguments)
    try:
        before, after = shrink_file(options.input, options.output, strip=options.strip)
    except CompilerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.output}: {after:,} bytes, was {before:,} ({after / before:.1%})")
    return 0


def shrink_file(source: Path, destination: Path, *, strip: bool) -> tuple[int, int]:
    """Bytes before and after. Raises BadInput for a file that can't be read, is no TFLite, or can't be written."""
    from compiler.backend.shrink import shrink

    try:
        tflite = source.read_bytes()
    except OSError as error:
        raise BadInput(f"can't read '{source}' ({error.strerror}): give an existing .tflite file") from error
    try:
        smaller = shrink(tflite, strip=strip)
    except BadInput as error:
        raise BadInput(f"'{source}': {error}") from error
    try:
        handle, temporary = tempfile.mkstemp(dir=destination.parent, suffix=".part")
    except OSError as error:
        raise BadInput(
            f"can't write into '{destination.parent}' ({error.strerror}): give a folder to write to"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(smaller)
        os.chmod(temporary, 0o644)
        os.replace(temporary, destination)
    except OSError as error:
        raise BadInput(f"can't write '{destination}' ({error.strerror}): give another path") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return len(tflite), len(smaller)


if __name__ == "__main__":
    sys.exit(main())
