"""Program: run a TFLite Micro file on the host interpreter of xmos-ai-tools, in a process of its own.

The interpreter is C++ behind ctypes and ends the process on some files (one without metadata is enough), so it must
not share the compiler's. Started by `tflm.py`:

    python tflm_host.py MODEL DESCRIBED SAMPLES.npz RESULT.npz

MODEL is what runs; DESCRIBED has the same tensors, and only shapes and types of its inputs and outputs are read.
SAMPLES holds `input_0`, `input_1`, …, each (n, 1, …). RESULT holds `output_0`, …, each (n, 1, …), and `arena`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from xmos_ai_tools.xinterpreters import TFLMHostInterpreter


def main(model: str, described: str, samples: str, result: str) -> None:
    columns = list(np.load(samples).values())
    content = Path(model).read_bytes()  # the interpreter reads it where it lies, so it has to stay
    interpreter = TFLMHostInterpreter()
    interpreter.set_model(model_content=content)
    interpreter.get_model().model_content = Path(described).read_bytes()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    rows: list[list[np.ndarray]] = [[] for _ in outputs]
    for values in zip(*columns, strict=True):
        for position, value in enumerate(values):
            interpreter.set_tensor(position, value)
        interpreter.invoke()
        for row, index in zip(rows, outputs, strict=True):
            row.append(interpreter.get_tensor(index))
    named = {f"output_{i}": np.stack(row) for i, row in enumerate(rows)}
    np.savez(result, arena=interpreter.tensor_arena_size(), **named)


if __name__ == "__main__":
    main(*sys.argv[1:])
