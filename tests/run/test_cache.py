"""A cache that can be damaged, shared, filled and left out without changing a result."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import compiler.run.cache as cache_module
from compiler.run.cache import Cache, cache_folder, key_of
from compiler.run.cached_menus import cached_menus
from compiler.types import DENSE, Candidate, Choice, Cost

MENUS = {
    "conv": (
        Candidate(DENSE, Cost(100, 200, 300), 0.0),
        Candidate(Choice("tucker2", (3, 4), "block", (4, 2), 5), Cost(40, 90, 80), 0.1 + 0.2),
    ),
    "logits": (Candidate(DENSE, Cost(7, 8, 9), 0.0), Candidate(Choice("svd", (2,)), Cost(3, 4, 5), 1e-17)),
}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def make_from(calls: list[None]):  # type: ignore[no-untyped-def]
    def make() -> dict[str, tuple[Candidate, ...]]:
        calls.append(None)
        return MENUS

    return make


def test_gives_back_what_was_put(cache: Cache) -> None:
    content = b"first line\nsecond \x00 line\n"
    assert cache.get("key") is None
    cache.put("key", content)
    assert cache.get("key") == content
    assert cache.get("other") is None
    assert [p.name for p in cache.folder.iterdir()] == ["key"]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b"", lambda b: b[:70] + b"X" + b[71:], lambda b: b + b"\n", lambda b: b"no checksum"],
    ids=["truncated", "empty", "changed", "appended", "foreign"],
)
def test_a_damaged_entry_is_made_anew(cache: Cache, damage) -> None:  # type: ignore[no-untyped-def]
    calls: list[None] = []
    for _ in range(2):
        assert cached_menus("menus", cache, make_from(calls)) == MENUS
    assert len(calls) == 1
    entry = cache.folder / "menus"
    entry.write_bytes(damage(entry.read_bytes()))
    assert cache.get("menus") is None
    for _ in range(2):
        assert cached_menus("menus", cache, make_from(calls)) == MENUS
    assert len(calls) == 2


def test_menus_survive_to_the_last_bit(cache: Cache) -> None:
    cached_menus("menus", cache, lambda: MENUS)
    stored = cached_menus("menus", cache, lambda: pytest.fail("the entry is there"))
    assert stored == MENUS
    assert all(type(c.choice.ranks) is tuple for menu in stored.values() for c in menu)


def test_a_disabled_cache_neither_reads_nor_writes(cache: Cache) -> None:
    cache.put("key", b"content")
    off = Cache(cache.folder, enabled=False)
    assert off.get("key") is None
    off.put("key", b"other")
    off.put("new", b"other")
    assert cache.get("key") == b"content"
    assert cache.get("new") is None


WRITER = """
import sys; from pathlib import Path; from compiler.run.cache import Cache
cache = Cache(Path(sys.argv[1]))
for turn in range(50):
    cache.put("key", sys.argv[2].encode() * 20_000)
    assert cache.get("key") is not None
"""


def test_two_writers_leave_one_whole_entry(cache: Cache) -> None:
    """A reader never sees the half of one and the half of the other."""
    root = Path(__file__).resolve().parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(cache.folder), who], cwd=root) for who in "ab"]
    try:
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
    assert cache.get("key") in (b"a" * 20_000, b"b" * 20_000)
    assert [p.name for p in cache.folder.iterdir()] == ["key"]


def test_readers_beside_a_writer_see_whole_entries_only(cache: Cache) -> None:
    contents = [bytes([65 + i]) * 50_000 for i in range(8)]
    cache.put("key", contents[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [cache.put("key", content) for content in contents * 5])
        seen = [cache.get("key")]
        while not writing.done():
            seen.append(cache.get("key"))
        writing.result()
    assert set(seen) <= set(contents)


def test_the_oldest_go_when_the_folder_outgrows_its_limit(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate(["new", "middle", "old"]):
        cache.put(name, bytes(1000))
        os.utime(cache.folder / name, (1000 - age, 1000 - age))
    assert cache.get("old") is not None  # having been read, it is the youngest
    monkeypatch.setattr(cache_module, "LIMIT_BYTES", 3 * 1070)
    cache.put("newest", bytes(1000))
    assert sorted(p.name for p in cache.folder.iterdir()) == ["new", "newest", "old"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_refuses_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    Cache(folder).put("key", b"content")
    assert Cache(folder).get("key") is None


def test_a_file_in_the_place_of_the_folder_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    cache = Cache(tmp_path / "cache")
    assert cached_menus("menus", cache, lambda: MENUS) == MENUS
    assert cache.get("menus") is None


def test_a_key_names_parts_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_of("a", 1) == key_of("a", 1)
    assert len({key_of("a", 1), key_of("a", 2), key_of("a1"), key_of("a", 1, rooms=("solver",))}) == 4
    for room in ("solver", "run"):
        (tmp_path / room).mkdir()
    source = tmp_path / "solver" / "knapsack.py"
    source.write_text("x = 1\n")
    monkeypatch.setattr(cache_module, "__file__", str(tmp_path / "run" / "cache.py"))
    before = key_of("a", rooms=("solver",))
    source.write_text("x = 2\n")
    assert key_of("a", rooms=("solver",)) != before


def test_a_key_names_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("a")
    monkeypatch.setattr(cache_module, "versions", lambda: (("tensorflow", "0.1"),))
    assert key_of("a") != before


@pytest.mark.parametrize("shared", ["types.py", "run/configure_tensorflow.py"])
def test_a_key_names_what_rooms_share(shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(cache_module, "__file__", str(tmp_path / "run" / "cache.py"))
    before = key_of("a", rooms=("solver",))
    (tmp_path / shared).write_text("x = 1\n")
    assert key_of("a", rooms=("solver",)) != before


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "datafree-hybrid-compiler"
