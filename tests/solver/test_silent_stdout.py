"""What C code prints inside is gone, what Python prints before and after arrives, also after an error."""

from __future__ import annotations

import os

import pytest

from compiler.solver.silent_stdout import silent_stdout


def test_the_file_descriptor_is_silent_inside_only(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with silent_stdout():
        os.write(1, b"debugging\n")
    with pytest.raises(ValueError, match="inside"), silent_stdout():
        raise ValueError("inside")
    print("after", flush=True)
    assert capfd.readouterr().out == "before\nafter\n"
