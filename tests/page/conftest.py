"""A browser for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browsing import browser


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        yield found
        found.close()
