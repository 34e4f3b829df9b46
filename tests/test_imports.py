"""Who may import whom, read off the import statements of every file: the rooms form a DAG, heavy packages stay in
the rooms that need them, and `--help` pays for none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(p for top in ("compiler", "models", "scripts") for p in (ROOT / top).rglob("*.py"))

# room → rooms that it may import, besides itself, VALUES and what passes call to tell how far they are.
VALUES = {"types", "errors", "options", "result", "details"}
TELLING = "compiler.report.progress"
ROOMS: dict[str, set[str]] = {
    "decompose": {"sparsity"},  # siblings: the hybrid fit prunes, pruning measures in the fit's metric
    "sparsity": {"decompose"},
    "evidence": set(),
    "report": set(),
    "check_paths": set(),
    "redirect": set(),
    "greetings": {"redirect"},
    "flags": set(),
    "tflite": set(),  # the file format: the front end reads it, the back end writes it
    "frontend": {"models", "tflite"},
    "backend": {"decompose", "sparsity", "frontend", "tflite", "greetings"},
    "solver": {"decompose", "sparsity", "backend.targets", "redirect"},
    "datafree": {"decompose", "frontend"},
    "surgery": {"decompose", "sparsity", "frontend", "datafree", "backend.targets"},
    # One run: what the stages share, the search, the files. Only here do all rooms meet.
    "run": {
        "decompose",
        "sparsity",
        "evidence",
        "report",
        "frontend",
        "backend",
        "solver",
        "datafree",
        "surgery",
        "models",
    },
    "pipeline": {"run", "report", "evidence", "frontend", "backend", "datafree", "surgery"},
    "library": {"pipeline", "run", "report", "evidence", "greetings"},
    "cli": {"pipeline", "run", "report", "flags", "check_paths"},
    "verbs": {"cli", "library", "pipeline", "run", "report", "flags", "check_paths", "sweep"},
    "sweep": {"backend", "pipeline", "run", "report"},
    "__main__": {"cli", "verbs"},
    "models": set(),
    "scripts": {"cli", "flags", "evidence", "report", "frontend", "backend", "tflite", "models"},
}

# package → files or folders that may import it, and why nobody else.
PACKAGES = {
    "tensorflow": (
        (
            "compiler/datafree",
            "compiler/surgery/distil.py",
            "compiler/backend/quantize.py",
            "compiler/run/configure_tensorflow.py",
            "scripts/train.py",
        ),
        "gradients are taken in datafree and distillation, the converter is called in backend/quantize.py; elsewhere "
        "Keras will do",
    ),
    "keras": (
        (
            "compiler/frontend",
            "compiler/datafree",
            "compiler/surgery",
            "compiler/backend",
            "compiler/run",
            "compiler/evidence/read_keras.py",
            "models",
            "scripts/train.py",
        ),
        "decompose, sparsity, solver and the command line work on arrays and plain values",
    ),
    "ai_edge_litert": (
        ("compiler/backend", "compiler/tflite"),
        "interpreters are the backend's business; the file format has a room of its own",
    ),
    "xmos_ai_tools": (("compiler/backend",), "interpreters and file formats are the backend's business"),
    "sklearn": (("compiler/evidence/read_digits.py",), "the data-free path must not depend on a source of data"),
    "PIL": (("compiler/evidence/read_folder.py",), "the data-free path must not depend on a source of data"),
    "rich": (("compiler/report",), "only reports draw"),
    "argparse": (("compiler/flags.py", "compiler/verbs", "scripts"), "a library user has no command line"),
}

# Rooms of pure mathematics: the standard library and these.
PURE = {
    "decompose": {"numpy", "scipy", "tensorly"},
    "sparsity": {"numpy", "scipy"},
    "solver": {"numpy", "scipy"},
}
LIGHT = (
    "__init__.py",
    "__main__.py",
    "cli.py",
    "verbs/__init__.py",
    "verbs/inspect.py",
    "verbs/report.py",
    "verbs/sweep.py",
    "verbs/verify.py",
    "flags.py",
    "options.py",
    "errors.py",
    "types.py",
    "result.py",
    "details.py",
    "check_paths.py",
)


def _imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Dotted names that the file imports, with `from a import b` as `a.b`."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full, not relative to the file"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(dotted: str) -> str:
    """compiler.solver.knapsack → solver; compiler.types.Plan → types; models.digits → models."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "compiler" and len(parts) > 1 else parts[0]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_rooms_use_only_their_own(path: Path) -> None:
    own = _room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own in ("compiler", "__init__"):
        return
    for dotted in _imports(path):
        if dotted.split(".")[0] not in ("compiler", "models", "scripts"):
            continue
        room = _room(dotted)
        if own in VALUES:
            allowed = VALUES
        else:
            assert own in ROOMS, f"{_name(path)} is in no room of ROOMS: give the room '{own}' its line there"
            allowed = VALUES | ROOMS[own] | {own}
        within = any(dotted.startswith(f"compiler.{a}.") for a in allowed if "." in a)
        assert room in allowed or within or dotted.startswith(TELLING), (
            f"{_name(path)} imports {dotted}: the room '{own}' may use {', '.join(sorted(allowed))}, so that it can be "
            "read and tested without those above it; pass the value in instead"
        )


def test_files_have_no_cycle() -> None:
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in SOURCES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"files import each other in a circle: {' → '.join((*path, module))}"
        if module in done:
            return
        for dotted in _imports(modules[module]):
            other = dotted if dotted in modules else dotted.rpartition(".")[0]
            if other in modules and other != module:
                visit(other, (*path, module))
        done.add(module)

    for module in modules:
        visit(module, ())


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    for dotted in _imports(path):
        package = dotted.split(".")[0]
        if package not in PACKAGES:
            continue
        places, why = PACKAGES[package]
        assert any(_name(path) == p or _name(path).startswith(f"{p}/") for p in places), (
            f"{_name(path)} imports {dotted}, which only {', '.join(places)} may: {why}"
        )


@pytest.mark.parametrize("room", PURE)
def test_mathematics_is_pure(room: str) -> None:
    for path in (ROOT / "compiler" / room).rglob("*.py"):
        for dotted in _imports(path):
            package = dotted.split(".")[0]
            allowed = package in sys.stdlib_module_names or package in PURE[room] or package == "compiler"
            assert allowed, (
                f"{_name(path)} imports {dotted}: '{room}' is mathematics on arrays ({', '.join(sorted(PURE[room]))}), "
                "so that it can be checked without a network"
            )


@pytest.mark.parametrize("name", LIGHT)
def test_what_help_reads_is_light(name: str) -> None:
    for dotted in _imports(ROOT / "compiler" / name, top_level_only=True):
        package = dotted.split(".")[0]
        assert package in sys.stdlib_module_names or _room(dotted) in VALUES | {
            "flags",
            "check_paths",
            "cli",
            "verbs",
        }, f"compiler/{name} imports {dotted} at its top: --help would wait for it; import it in the function"


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys; from compiler.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'scipy', 'rich', 'sklearn', 'PIL', 'h5py', 'ai_edge_litert'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
