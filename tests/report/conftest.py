"""A browser for the tests that look at pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.report.chromium import Chromium


@pytest.fixture(scope="package")
def browser() -> Iterator[Chromium]:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    with Chromium() as browser:
        yield browser
