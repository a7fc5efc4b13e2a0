"""Every row of the table of methods: design, estimator, meanings, needs, and a witness of its numbers.

A new method needs SALib's names for its indices (`salib_witness.NAMES`) or a closed form here; without it, or with a cell of its
row left empty, a test here fails by its name.
"""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from flowreform.analyse.sensitivity.estimators import Settings
from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS, Request, make
from flowreform.cli import app
from salib_witness import NAMES

CLOSED_FORM = {
    "tornado": "a sum of inputs: each moves it by 0.9 times its weight",
    "regional": "runs that meet a target on one input alone: its distance is 1",
}
"""Methods that SALib does not have, and what tests/sensitivity/test_estimators.py checks them against."""


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_witness(name: str) -> None:
    assert name in NAMES or name in CLOSED_FORM, f"{name} is checked against nothing"
    assert set(NAMES.get(name, ())) <= set(METHODS[name].indices)


@pytest.mark.parametrize("name", METHODS)
def test_every_index_has_its_meaning(name: str) -> None:
    row = METHODS[name]
    assert row.label
    assert row.leading in row.indices
    for index in row.indices:
        assert MEANINGS.get(index), f"{index} of {name} has no line in MEANINGS"


def test_no_meaning_is_left_over() -> None:
    assert set(MEANINGS) == {index for row in METHODS.values() for index in row.indices}


@pytest.mark.parametrize("name", METHODS)
def test_design_and_estimator_fit_together(name: str) -> None:
    row = METHODS[name]
    samples = max(row.smallest, 256 if row.given else 8)
    design = make(name, 3, samples, seed=1)
    assert design.method == name
    assert design.parameters == 3
    assert len(design.unit) == design.blocks * design.block
    assert ((design.unit >= 0) & (design.unit <= 1)).all()
    outputs = design.unit @ np.array([[3.0], [2.0], [1.0]])
    outputs = (outputs > np.median(outputs)).astype(float) if not row.measures else outputs
    found = row.estimate(design, outputs, Settings(10))
    assert set(found.values) == set(row.indices)
    assert all(values.shape == (3, 1) for values in found.values.values())
    order = np.abs(found.values[row.leading][:, 0])
    assert order.argmax() == 0 or name == "dgsm", "the input with the largest weight does not lead"


@pytest.mark.parametrize("name", METHODS)
def test_every_refusal_says_what_to_do_instead(name: str) -> None:
    requests = [
        Request([f"x{at}" for at in range(many)], stepped, targets)
        for many in (1, 3, 1000)
        for stepped in ([], ["x0"])
        for targets in ([], ["payback <= 60"])
    ]
    refusals = [list(METHODS[name].needs(request)) for request in requests]
    assert not all(refusals), f"{name} can do nothing"
    for reason, repair, _ in (one for some in refusals for one in some):
        assert reason
        assert repair


def test_the_command_offers_the_methods_of_the_table() -> None:
    shown = CliRunner().invoke(app, ["sensitivity", "--help"]).output
    assert f"--method {'|'.join(METHODS)}" in " ".join(shown.split())
    refused = CliRunner().invoke(app, ["sensitivity", "va_beds_to_community", "--method", "sobel"])
    assert refused.exit_code == 2
    assert all(name in refused.output for name in METHODS)
