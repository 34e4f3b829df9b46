"""An emitted network on a Cortex-M board that isn't there: built by GNU's Arm toolchain, run by QEMU.

Instructions are counted by the board's own SysTick under `-icount shift=0`, where one instruction takes one virtual
nanosecond, so a count repeats exactly; it is not a cycle count. Flash and RAM are the sections of the linked image,
by the object file they come from: the network's, and apart from it the C library's and semihosting's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.errors import CheckFailed
from kernels import SOURCES

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
SECONDS = 600  # for a call


@dataclass(frozen=True, slots=True)
class Board:
    """machine: QEMU's name, and that of the linker script. flags: for the compiler."""

    machine: str
    flags: tuple[str, ...]


BOARDS = {
    "cortex-m4": Board("mps2-an386", ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")),
    "cortex-m55": Board("mps3-an547", ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")),
}


@dataclass(frozen=True, eq=False, slots=True)
class BoardRun:
    """outputs (n, outputs) int8. instructions: of one run. Bytes of the network alone, kernels and constants in flash,
    the arena and the deepest stack in RAM; flash_overhead: of start-up, C library and printing."""

    outputs: np.ndarray
    instructions: int
    code_bytes: int
    constant_bytes: int
    static_bytes: int
    stack_bytes: int
    flash_overhead: int

    @property
    def flash_bytes(self) -> int:
        return self.code_bytes + self.constant_bytes

    @property
    def ram_bytes(self) -> int:
        return self.static_bytes + self.stack_bytes


def missing_tools() -> tuple[str, ...]:
    """Which of the tools are not installed; kernels/apt.txt names their Debian packages."""
    return tuple(tool for tool in TOOLS if shutil.which(tool) is None)


def run_on_board(
    folder: Path, inputs: np.ndarray, board: Board, workdir: Path, options: tuple[str, ...] = ()
) -> BoardRun:
    """Run a network that `emit` wrote to `folder` under the name "model" on inputs (n, …) int8.

    options  for the compiler, behind -O2. Raises CheckFailed when a tool is missing, fails or takes too long.
    """
    boards = SOURCES / "boards"
    workdir.mkdir(parents=True, exist_ok=True)
    for name, text in _inputs(inputs).items():
        (workdir / name).write_text(text)
    network = [p for p in sorted(folder.glob("*.c")) if p.name != "main.c"]
    harness = [*sorted(boards.glob("*.c")), workdir / "inputs.c"]
    image = build_image([*network, *harness], [folder, boards, workdir], board, workdir, options)
    printed = run_image(image, board, workdir)
    outputs = [line.split()[1:] for line in printed.splitlines() if line.startswith("output")]
    sizes = _sizes(image.with_suffix(".map").read_text(), {f"{p.stem}.o" for p in network})
    return BoardRun(
        np.array(outputs, np.int64).astype(np.int8).reshape(len(inputs), -1),
        int(_number(printed, "instructions")),
        sizes["text"],
        sizes["rodata"],
        sizes["ram"],
        int(_number(printed, "stack")),
        sizes["overhead"],
    )


def build_image(
    sources: list[Path], includes: list[Path], board: Board, workdir: Path, options: tuple[str, ...] = ()
) -> Path:
    """Compile at -O2 and link for a board; the linker's map goes beside the image. Raises CheckFailed."""
    if missing := missing_tools():
        raise CheckFailed(f"{missing[0]} is not installed: install the packages of kernels/apt.txt")
    image = workdir / "image.elf"
    flags = [*board.flags, "-std=c99", "-O2", "-ffunction-sections", "-fdata-sections", *WARNINGS, *options]
    _call([TOOLS[0], *flags, *(f"-I{folder}" for folder in includes), "-c", *map(str, sources)], workdir)
    link = [f"-L{SOURCES / 'boards'}", "-T", f"{board.machine}.ld", "--specs=rdimon.specs", "-nostartfiles"]
    link += [f"-Wl,-Map={image.with_suffix('.map')}", "-Wl,--gc-sections,--no-warn-rwx-segments"]
    _call([TOOLS[0], *board.flags, *(f"{source.stem}.o" for source in sources), *link, "-o", str(image)], workdir)
    return image


def run_image(image: Path, board: Board, workdir: Path) -> str:
    """What an image prints. Raises CheckFailed when it fails or takes too long."""
    quiet = ("-nographic", "-monitor", "none", "-serial", "none")
    semihosting = ("-semihosting-config", "enable=on,target=native")
    command = [TOOLS[1], "-M", board.machine, *quiet, "-icount", "shift=0", *semihosting, "-kernel", str(image)]
    return _call(command, workdir)


def _inputs(inputs: np.ndarray) -> dict[str, str]:
    flat = inputs.astype(np.int8).reshape(len(inputs), -1)
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in flat.tolist())
    declared = f"const int8_t inputs[{len(flat)}][{flat.shape[1]}]"
    return {
        "inputs.h": f"#include <stdint.h>\n#define INPUTS {len(flat)}\nextern {declared};\n",
        "inputs.c": f'#include "inputs.h"\n{declared} = {{\n{rows}\n}};\n',
    }


def _call(command: list[str], workdir: Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=workdir, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{command[0]} took longer than {SECONDS} s: give it a smaller network") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        reason = next((line for line in said if "error" in line), said[-1])
        raise CheckFailed(f"{command[0]} failed ({done.returncode}): {reason}")
    return done.stdout


def _number(printed: str, name: str) -> str:
    found = re.search(rf"^{name} (\d+)$", printed, re.MULTILINE)
    if found is None:
        raise CheckFailed(f"the board printed no {name}: the run broke off")
    return found[1]


def _sizes(link_map: str, network: set[str]) -> dict[str, int]:
    """Bytes of the network's code, constants and variables, and of everybody else's flash, from the linker's map."""
    sizes = {"text": 0, "rodata": 0, "ram": 0, "overhead": 0}
    kept = link_map.split("Linker script and memory map")[1]
    # " .text.conv2d  0x00000200  0x54 conv2d.o"; a long name is followed by a line break
    for section, size, path in re.findall(r"^ \.?([\w.]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+)$", kept, re.MULTILINE):
        own = Path(path).name in network
        if Path(path).name == "inputs.o":
            continue
        kind = section.split(".")[0]
        if kind in ("text", "rodata", "data", "vectors", "ARM", "init", "fini", "eh_frame"):
            sizes["overhead" if not own else "text" if kind == "text" else "rodata"] += int(size, 16)
        if own and kind in ("bss", "data", "COMMON"):
            sizes["ram"] += int(size, 16)
    return sizes
