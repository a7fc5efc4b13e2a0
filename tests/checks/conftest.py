"""A sound model, and what the checks say of it after one edit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowreform.checks import check
from flowreform.errors import Finding
from flowreform.formats import read_model
from flowreform.model import Model

CLINIC = Path(__file__).parents[1] / "fixtures" / "checks" / "clinic.xmile"

Edit = tuple[str, str]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Model]:
    """The clinic after edits, each of a text that stands in it."""

    def model(*edits: Edit) -> Model:
        text = CLINIC.read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "model.xmile"
        path.write_text(text, encoding="utf-8")
        return read_model(path)

    return model


@pytest.fixture
def findings(edited: Callable[..., Model]) -> Callable[..., tuple[Finding, ...]]:
    """What the checks say of the clinic after edits."""

    def found(*edits: Edit) -> tuple[Finding, ...]:
        return check(edited(*edits))

    return found


@pytest.fixture
def of_parts(tmp_path: Path) -> Callable[..., tuple[Finding, ...]]:
    """What the checks say of a model of the given variables, documentation and units aside."""

    def found(
        variables: str, *, dimensions: str = "", macros: str = "", dt: str = "0.25", method: str = "euler"
    ) -> tuple[Finding, ...]:
        path = tmp_path / "model.xmile"
        path.write_text(
            f'<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"><sim_specs method="{method}" '
            f'time_units="month"><start>0</start><stop>10</stop><dt>{dt}</dt></sim_specs><dimensions>{dimensions}</dimensions>'
            f"{macros}<model><variables>{variables}</variables></model></xmile>",
            encoding="utf-8",
        )
        return tuple(item for item in check(read_model(path)) if item.rule not in ("missing-doc", "missing-units", "unused"))

    return found
