"""The documentation site: every page has its place, and links lead where the site has them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from docs_scripts import docs_script

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """The script that builds it."""
    return docs_script("build_site")


def test_every_page_has_a_place(site: ModuleType) -> None:
    listed = [*site.START, *site.GUIDES, *site.EVIDENCE]
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_a_link_leads_where_the_site_has_the_page_and_is_text_where_it_has_none(site: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "decisions" / "one.md"
    for file in (page, tmp_path / "models" / "care_shift" / "README.md", tmp_path / "tests" / "test_x.py"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    page.write_text(
        "[a](../../models/care_shift/README.md#money) [b](../../tests/test_x.py) [c](gone.md) [d](https://example.org) [e](#here)"
    )
    site.ROOT, before = tmp_path, site.ROOT
    try:
        text = site.relinked(page, tmp_path)
    finally:
        site.ROOT = before
    assert text == "[a](../models/care_shift.md#money) b c [d](https://example.org) [e](#here)"


def test_the_example_of_a_docstring_is_code(site: ModuleType) -> None:
    assert site.docstring("Says this::\n\n    fr.run(x)\n") == "Says this:\n\n```python\nfr.run(x)\n```\n"


def test_the_notebook_is_kept_without_results() -> None:
    cells = json.loads((ROOT / "docs" / "first_steps.ipynb").read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_a_site_that_loads_something_from_outside_is_refused(site: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(
        '<p><a href="https://example.org">a link</a></p><script src="https://unpkg.com/iframe-worker/shim" type="x"></script>'
    )
    site.nothing_from_outside(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "unpkg" not in text
    assert "window.Worker" in text
    page.write_text('<script src="https://example.org/x.js"></script>')
    with pytest.raises(SystemExit, match="nothing may come from outside"):
        site.nothing_from_outside(tmp_path)
