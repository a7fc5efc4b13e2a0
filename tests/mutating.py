"""Faults put into a copy of a bundled model, one edit each, for tests that must notice them.

`tests/models/mutants/<model>.toml` holds one table for each fault: `variable`, `old` and `new` text inside it, and what must
catch it: `law` or `target`. `mutants/sound` is a small model that keeps every law.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowreform.formats import bundled

HERE = Path(__file__).parent / "models" / "mutants"


def mutants(model: str, catcher: str) -> list[Any]:
    """The faults of a model that something of the kind `catcher` must catch, as parameters of a test; none without a file."""
    if not (HERE / f"{model}.toml").is_file():
        return []
    found = tomllib.loads((HERE / f"{model}.toml").read_text())
    return [pytest.param(model, item, id=f"{model}-{name}") for name, item in found.items() if catcher in item]


def home(model: str) -> Path:
    """The folder of the model as it stands."""
    return HERE / "sound" if model == "sound" else bundled("models")[model].parent


def mutated(model: str, item: dict[str, str], folder: Path) -> Path:
    """A copy of a model with one edit inside one variable."""
    for file in ("model.toml", "reference.csv"):
        if (home(model) / file).is_file():
            shutil.copy(home(model) / file, folder / file)
    text = (home(model) / "model.xmile").read_text()
    block = re.search(rf'<(aux|flow|stock) name="{item["variable"]}">.*?</\1>', text, re.DOTALL)
    assert block, f"the model has no {item['variable']}: write the mutant anew"
    assert item["old"] in block[0], f"{item['variable']} no longer holds {item['old']}: write the mutant anew"
    after = text[: block.start()] + block[0].replace(item["old"], item["new"]) + text[block.end() :]
    (folder / "model.xmile").write_text(after)
    return folder / "model.xmile"
