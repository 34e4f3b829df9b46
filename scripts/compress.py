"""Compress a trained Keras CNN into a verified int8 TFLite file; see `--help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from compiler.cli import leave, main

if __name__ == "__main__":
    leave(main())
