"""No model is fed its own answer, and everything that is fed in says what it is and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.case import Case, Observation
from flowreform.case.checks import clock_driven
from flowreform.formats import bundled
from flowreform.graph import ancestors
from flowreform.model import Model, causes
from flowreform.names import split

MODELS = bundled("models")

ALIKE = 0.03
"""A course that comes so close to an observed series, as a share of the series' range, is a copy of it."""
FLAT = 0.05
"""A series that moves by less than this share of its mean says nothing: every constant would match it."""
ROWS = 3


def copies(model: Model, case: Case) -> Iterator[tuple[str, str]]:
    """Every pair of a variable that depends on time alone and an observed series which it repeats, up to a factor, where the
    variable lies upstream of what the model has to say about that series."""
    fed = tuple(name for name in model.variables if name in clock_driven(model))
    if not fed or case.calendar is None:
        return
    ds = fr.simulate(model, save=fed, save_every=model.specs.dt).isel(run=0)
    times = ds["time"].values
    graph = causes(model)
    for series, reference in case.reference.items():
        rows = [row for row in case.observations if row.series == series]
        upstream = set().union(*(ancestors(graph, split(name)[0]) | {split(name)[0]} for name in reference.variables))
        for name in fed:
            if name not in upstream:
                continue
            block = np.asarray(ds[name].transpose("time", ...).values, dtype=float).reshape(len(times), -1)
            for course in block.T:
                if any(_alike(*pair) for pair in _readings(course, times, rows, case)):
                    yield name, series
                    break


def _readings(
    course: np.ndarray, times: np.ndarray, rows: list[Observation], case: Case
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The course at the beginning, at the end and as the mean of each reporting year, beside what was observed."""
    assert case.calendar is not None
    found = []
    for row in rows:
        begin, end = case.calendar.year(row.year)
        if begin >= times[0] - 1e-6 and end <= times[-1] + 1e-6:
            inside = course[(times >= begin - 1e-6) & (times <= end + 1e-6)]
            found.append((inside[0], inside[-1], inside.mean(), row.value))
    if len(found) >= ROWS:
        table = np.array(found)
        for at in range(3):
            yield table[:, at], table[:, 3]


def _alike(course: np.ndarray, observed: np.ndarray) -> bool:
    spread = float(np.ptp(observed))
    if spread < FLAT * abs(float(observed.mean())) or not np.isfinite(course).all() or not (course * course).sum() > 0:
        return False
    factor = float((course * observed).sum() / (course * course).sum())
    return float(np.abs(factor * course - observed).max()) < ALIKE * spread


@pytest.mark.parametrize("name", MODELS)
def test_no_lookup_of_time_repeats_what_was_observed(name: str) -> None:
    model = fr.read_model(name)
    case = fr.read_case(model)
    assert case is not None
    assert not list(copies(model, case))


@pytest.mark.parametrize("name", MODELS)
def test_everything_fed_in_is_declared_and_has_a_source(name: str) -> None:
    """That every lookup of time is declared at all is a rule of the case file, which would not have been read otherwise."""
    case = fr.read_case(fr.read_model(name))
    assert case is not None
    for item in case.exogenous.values():
        assert item.source.strip()
        assert item.quantity.strip()
    for table in (case.levers, case.uncertainties, case.parameters):
        assert all(item.source.strip() for item in table.values())


@pytest.mark.parametrize("name", MODELS)
def test_no_path_of_targets_is_cut_into_periods(name: str) -> None:
    """A table with a point for nearly every observed year would be a drawing of the answer: inputs have few points."""
    model = fr.read_model(name)
    case = fr.read_case(model)
    assert case is not None
    for exogenous in case.exogenous:
        for equation in model[split(exogenous)[0]].equations:
            if equation.lookup is not None:
                assert len(equation.lookup.x) <= 40, f"{exogenous} has {len(equation.lookup.x)} points"


FED = "<eqn>open_beds * share_in_use</eqn>"
DECLARED = """
[exogenous.using]
quantity = "beds in use"
source = "the census"
status = "verified"
"""
DATA = "series,year,value,unit,source,status\nbeds,2020,55,bed,census,verified\nuse,2020,810,bed*month,census,verified\n"


def _fed(ward: Path, folder: Path, equation: str, values: tuple[float, ...]) -> tuple[Model, Case]:
    text = (ward / "model.xmile").read_text()
    assert FED in text
    (folder / "model.xmile").write_text(text.replace(FED, equation).replace("<stop>24</stop>", "<stop>48</stop>"))
    (folder / "model.toml").write_text((ward / "model.toml").read_text() + (DECLARED if "<gf>" in equation else ""))
    rows = "".join(f"use,{2021 + at},{value},bed*month,census,verified\n" for at, value in enumerate(values))
    (folder / "reference.csv").write_text(DATA + rows)
    model = fr.read_model(folder / "model.xmile")
    case = fr.read_case(model)
    assert case is not None
    return model, case


def test_a_model_that_is_fed_its_answer_is_caught(ward: Path, tmp_path: Path) -> None:
    gf = "<eqn>TIME</eqn><gf><xpts>0,12,12.5,24,24.5,36,36.5,48</xpts><ypts>6.75,6.75,5,5,3,3,2,2</ypts></gf>"
    model, case = _fed(ward, tmp_path, gf, (602.0, 361.0, 240.0))
    assert list(copies(model, case)) == [("using", "use")]


def test_a_model_that_works_it_out_is_not(ward: Path, tmp_path: Path) -> None:
    model, case = _fed(ward, tmp_path, FED, (602.0, 361.0, 240.0))
    assert not list(copies(model, case))


def test_a_fed_course_of_another_shape_is_not(ward: Path, tmp_path: Path) -> None:
    gf = "<eqn>TIME</eqn><gf><xpts>0,48</xpts><ypts>10,60</ypts></gf>"
    model, case = _fed(ward, tmp_path, gf, (602.0, 361.0, 240.0))
    assert not list(copies(model, case))
