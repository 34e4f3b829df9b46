"""ai-edge-quantizer: kernels in 4 bits a weight, activations in int8, calibrated on the inputs that are given; with
none, kernels alone (4 bits, unpacked to float as the file runs)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_quantizer import quantizer, recipe


def main() -> None:
    folder = Path(sys.argv[1])
    made = quantizer.Quantizer(str(folder / "float.tflite"))
    results = None
    if (folder / "inputs.npz").exists():
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(folder / "float.tflite"))
        signature = next(iter(runner.get_signature_list()), None)
        given = next(iter(runner.get_signature_list()[signature]["inputs"])) if signature else None
        with np.load(folder / "inputs.npz") as stored:
            samples = [{given: x[None].astype(np.float32)} for x in stored["x"][:128]]
        int4 = recipe.static_wi8_ai8()
        for entry in int4:
            entry["op_config"]["weight_tensor_config"]["num_bits"] = 4
        made.load_quantization_recipe(int4)
        results = made.calibrate({signature: samples})
    else:
        made.load_quantization_recipe(recipe.weight_only_wi4_afp32())
    (folder / "made.tflite").write_bytes(bytes(made.quantize(results).quantized_model))


main()
