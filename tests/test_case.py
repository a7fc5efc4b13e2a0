"""Case files against a model made by hand: what a good one gives, and what every broken line is told."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from flowreform.case import Case, read_case
from flowreform.case.checks import clock_driven
from flowreform.errors import Finding, ModelError
from flowreform.formats import bundled, read_model
from flowreform.model import (
    Binary,
    Call,
    Dimension,
    Equation,
    Expr,
    Lookup,
    Model,
    Number,
    Ref,
    Role,
    SimSpecs,
    Unary,
    Variable,
)


def parameter(
    name: str, value: float, units: str = "dimensionless", low: float | None = 0.0, high: float | None = 100.0, line: int = 1
) -> Variable:
    expr: Expr = Number(value) if value >= 0 else Unary("-", Number(-value))
    return Variable(name, name, Role.PARAMETER, (Equation(str(value), expr),), units=units, range=(low, high), line=line)


def formula(name: str, expr: Expr, units: str = "bed", lookup: Lookup | None = None, role: Role = Role.AUXILIARY) -> Variable:
    return Variable(name, name, role, (Equation("...", expr, lookup=lookup),), units=units)


SHARE = Variable(
    "share",
    "Share",
    Role.PARAMETER,
    (Equation("0.2", Number(0.2), subscripts=("losing",)), Equation("0.4", Number(0.4), subscripts=("gaining",))),
    ("network",),
    "dimensionless",
    range=(0.0, 1.0),
)
LINE = Lookup((0.0, 60.0), (1.0, 2.0))
VARIABLES = (
    Variable("open_beds", "Open beds", Role.STOCK, (Equation("100", Number(100.0)),), units="bed", outflows=("closing",)),
    formula("closing", Binary("*", Ref("open_beds"), Ref("pace")), "bed/month", role=Role.FLOW),
    parameter("pace", 0.1, "1/month", 0.0, 1.0, line=12),
    parameter("stay", 0.25, "month", 0.05, 2.0, line=13),
    parameter("start_of_closure", 12.0, "month", 0.0, 60.0, line=14),
    parameter("loss", -3.0, "dimensionless", -5.0, 5.0, line=15),
    SHARE,
    formula("beds_by_network", Binary("*", Ref("open_beds"), Ref("share")), "bed"),
    formula("pay_index", Ref("time"), "dimensionless", LINE),
    formula("position", Binary("/", Ref("time"), Ref("stay")), "dimensionless"),
    formula("winter", Call("sin", (Ref("position"),)), "dimensionless", LINE),
    formula("mixed", Binary("*", Ref("open_beds"), Ref("time")), "dimensionless", LINE),
    formula("crowding", Ref("open_beds"), "dimensionless", LINE),
)
MODEL = Model(
    "small",
    SimSpecs(0.0, 60.0, 0.25, time_unit="Months"),
    {item.name: item for item in VARIABLES if item.name != "beds_by_network"}
    | {"beds_by_network": replace(VARIABLES[7], dimensions=("network",))},
    {"network": Dimension("network", "Network", ("losing", "gaining"))},
)

GOOD = """\
[case]
title = "Small"
question = "Does it close?"
currency = "USD"
discount_base = 1993-10-01

[calendar]
origin = 1993-10-01
time_unit = "month"
year_starts = 10

[levers.Pace]
label = "Pace of closure"
source = "a book"
status = "verified"

[uncertainties.stay]
distribution = "triangular"
low = 0.1
mode = 0.25
high = 0.5
unit = "month"
source = "a guess"
status = "assumption"
extensive = false

[uncertainties."share[Losing]"]
distribution = "uniform"
low = 0.1
high = 0.3
unit = "dimensionless"
source = "a guess"
status = "assumption"

[parameters."share[gaining]"]
source = "a guess"
status = "assumption"

[parameters.start_of_closure]
source = "a law"
status = "verified"

[parameters.loss]
source = "a law"
status = "recalled"

[exogenous.pay_index]
quantity = "price index"
source = "a bureau"
status = "recalled"

[exogenous.winter]
quantity = "season"
source = "a bureau"
status = "recalled"

[kpis.beds_at_end]
label = "Open beds at the end"
variable = "Open Beds"
statistic = "final"
unit = "bed"
better = "lower"
floor = 10.0

[kpis.losing]
variable = "beds_by_network[losing]"
statistic = "increase"
year = 1995
minus = { year = 1994 }
never = "stop"
none_needed = 0

[reference.beds]
variable = "open_beds"
statistic = "at"
unit = "bed"

[targets.fall]
label = "Beds fall"
source = "a count"
status = "verified"
fails_when = "no_closure"
[[targets.fall.checks]]
variable = "open_beds"
statistic = "at"
year = 1998
over = { year = 1994 }
value = 0.5
tolerance = 0.1
[[targets.fall.checks]]
variable = "open_beds"
statistic = "final"
high = 60

[gates.no_closure]
label = "No closure"
set = { PACE = 0.0 }

[[charts]]
title = "Beds"
variables = ["open_beds"]
"""

SERIES = """\
series,year,value,unit,source,status
beds,1994,90,beds,"a count, on paper",verified
beds,1999,40.5,beds,a count,recalled
"""


def case_of(folder: Path, text: str = GOOD, series: str = SERIES, model: Model = MODEL) -> Case:
    path = folder / "model.xmile"
    path.with_suffix(".toml").write_text(text, encoding="utf-8")
    (folder / "reference.csv").write_text(series, encoding="utf-8")
    case = read_case(replace(model, path=path))
    assert case is not None
    return case


def faults(folder: Path, text: str = GOOD, series: str = SERIES, model: Model = MODEL) -> list[Finding]:
    with pytest.raises(ModelError) as caught:
        case_of(folder, text, series, model)
    return list(caught.value.findings)


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


FIRST_CHECK = '[[targets.fall.checks]]\nvariable = "open_beds"\nstatistic = "at"'


def line_of(text: str, part: str) -> int:
    assert text.count(part) == 1, part
    return text[: text.index(part)].count("\n") + 1


# --- a good file -----------------------------------------------------------------------------------------------------


def test_a_good_file_has_canonical_names_and_no_findings(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert case.findings == ()
    assert list(case.levers) == ["pace"]
    assert list(case.uncertainties) == ["stay", "share[losing]"]
    assert list(case.parameters) == ["share[gaining]", "start_of_closure", "loss"]
    assert case.kpis["beds_at_end"].variable == "open_beds"
    assert dict(case.gates["no_closure"].settings) == {"pace": 0.0}
    assert case.about.discount_base == datetime.date(1993, 10, 1)
    assert case.calendar is not None
    assert case.calendar.year(1994) == (0.0, 12.0)
    assert [check.limits for check in case.targets["fall"].checks] == [(0.4, 0.6), (float("-inf"), 60.0)]
    assert [row.value for row in case.observations] == [90.0, 40.5]
    assert case.observations[0].source == "a count, on paper"
    assert len(case.sha256) == 64


def test_a_case_cannot_be_changed(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    with pytest.raises(ValidationError):
        case.levers["pace"].label = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        case.levers["x"] = case.levers["pace"]  # type: ignore[index]


def test_no_case_file_or_an_experiment_in_its_place_is_no_case(tmp_path: Path) -> None:
    assert read_case(MODEL) is None
    model = replace(MODEL, path=tmp_path / "model.xmile")
    assert read_case(model) is None
    (tmp_path / "model.toml").write_text("[experiment]\n")
    assert read_case(model) is None


def test_the_case_starts_its_calendar_at_the_start_of_the_model(tmp_path: Path) -> None:
    later = replace(MODEL, specs=replace(MODEL.specs, start=24.0, stop=84.0))
    case = case_of(tmp_path, model=later)
    assert case.calendar is not None
    assert case.calendar.year(1994) == (24.0, 36.0)


def test_a_target_may_name_settings_instead_of_a_gate(tmp_path: Path) -> None:
    case = case_of(tmp_path, changed('fails_when = "no_closure"', 'fails_when = "Pace = 0, loss = -1.5"'))
    assert case.switched_off("Pace = 0, loss = -1.5") == {"pace": 0.0, "loss": -1.5}
    assert case.switched_off("no_closure") == {"pace": 0.0}
    assert case.switched_off("nothing") is None


# --- faults, each with its line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "part", "reason", "repair"),
    [
        ('currency = "USD"', 'curency = "USD"', "curency", "unknown key", "currency"),
        ("[levers.Pace]", "[lever.Pace]", "[lever.", "unknown key", "levers"),
        ('question = "Does it close?"\n', "", "[case]", '"question" is missing', "add it"),
        ("[levers.Pace]", "[levers.pase]", "[levers.pase]", "no such parameter", '"pace"'),
        ("[levers.Pace]", "[levers.closing]", "[levers.closing]", "a flow, not a parameter", ""),
        ('"a book"\nstatus = "verified"', '"a book"\nstatus = "verifed"', '"verifed"', "is not one of", '"verified"'),
        ("low = 0.1\nmode", 'low = "0,1"\nmode', '"0,1"', "a number is needed", "decimal point"),
        ("low = 0.1\nmode", "low = nan\nmode", "low = nan", "finite number", ""),
        ("low = 0.1\nmode", "low = true\nmode", "low = true", "a number is needed", ""),
        ("low = 0.1\nmode = 0.25", "low = 0.3\nmode = 0.25", "mode = 0.25", "not between low", ""),
        ("high = 0.5\n", "", "[uncertainties.stay]", 'needs "high"', "low, mode, high"),
        ("high = 0.5\n", "high = 3.0\n", '"triangular"', "outside the variable's range 0.05 to 2", "narrow"),
        ('distribution = "triangular"', 'distribution = "triangle"', '"triangle"', "is not one of", '"triangular"'),
        ('"share[Losing]"', '"share[loosing]"', "share[loosing]", "no element", '"losing"'),
        ('"share[gaining]"', '"share"', 'parameters."share"', "share[losing] stands in [uncertainties] already", ""),
        ("[parameters.loss]", "[parameters.Pace]", "[parameters.Pace]", "pace stands in [levers] already", ""),
        ('[exogenous.pay_index]', "[exogenous.pay_indx]", "[exogenous.pay_indx]", "no such variable", '"pay_index"'),
        ('variable = "Open Beds"', 'variable = "open_bed"', 'variable = "open_bed"', "no such variable", '"open_beds"'),
        ('"beds_by_network[losing]"', '"beds_by_network"', '"beds_by_network"', "a measure is one number", "[losing]"),
        ("year = 1995", "year = 1999", "year = 1999", "is not inside the run", ""),
        ("year = 1995", "date = 1995-10-01", "date = 1995-10-01", "not one date", ""),
        ('better = "lower"', 'better = "less"', 'better = "less"', "is not one of", ""),
        ("floor = 10.0", "floor = -10.0", "floor = -10.0", "greater than or equal to 0", ""),
        ('never = "stop"', 'never = "end"', 'never = "end"', '"stop"', ""),
        ("[reference.beds]", "[reference.bed]", "[reference.bed]", "no such series", '"beds"'),
        ("tolerance = 0.1\n", "", FIRST_CHECK, '"tolerance" is missing', ""),
        ("tolerance = 0.1\n", "tolerance = 0.1\nlow = 0\n", FIRST_CHECK, "beside low or high", ""),
        ('fails_when = "no_closure"', 'fails_when = "no_closures"', "no_closures", "no gate", '"no_closure"'),
        ('fails_when = "no_closure"', 'fails_when = "pase = 0"', "pase = 0", "no such parameter", '"pace"'),
        ('"no_closure"', '"no_closure"\nexpected = "miss"', 'expected = "miss"', "without a reason", ""),
        ("set = { PACE = 0.0 }", "set = { PACE = 2.0 }", "PACE = 2.0", "outside the range 0 to 1 of pace", ""),
        ("set = { PACE = 0.0 }", "set = { PACE = -0.1 }", "PACE = -0.1", "outside the range 0 to 1 of pace", ""),
        ("set = { PACE = 0.0 }", "set = { PASE = 0.0 }", "PASE", "no such parameter", '"pace"'),
        ('variables = ["open_beds"]', 'variables = [\n"opn_beds"]', '"opn_beds"', "no such variable", '"open_beds"'),
        ('time_unit = "month"', 'time_unit = "year"', 'time_unit = "year"', "not the model's time unit", '"month"'),
        ('time_unit = "month"', 'time_unit = "fortnight"', '"fortnight"', "no unit of time", "month"),
        ("year_starts = 10", "year_starts = 13", "year_starts = 13", "1 to 12", ""),
        ("origin = 1993-10-01\n", 'origin = "1993-10-01"\n', "origin", "a date is needed", "without quotes"),
    ],
)  # fmt: skip
def test_each_fault_has_its_line_reason_and_repair(
    tmp_path: Path, old: str, new: str, part: str, reason: str, repair: str
) -> None:
    text = changed(old, new)
    found = faults(tmp_path, text)
    fitting = [finding for finding in found if reason in finding.reason and repair in finding.repair]
    assert fitting, [str(finding) for finding in found]
    assert fitting[0].line == line_of(text, part)
    assert fitting[0].file == str(tmp_path / "model.toml")


def test_a_parameter_without_an_origin_is_named(tmp_path: Path) -> None:
    (finding,) = faults(tmp_path, changed('[parameters.loss]\nsource = "a law"\nstatus = "recalled"\n', ""))
    assert (finding.element, finding.rule) == ("loss", "no-source")
    assert "line 15 of the model" in finding.reason
    assert "[parameters.loss]" in finding.repair
    (finding,) = faults(tmp_path, changed('[parameters."share[gaining]"]\nsource = "a guess"\nstatus = "assumption"\n', ""))
    assert finding.element == "share[gaining]"


def test_a_lookup_of_time_must_be_declared_however_it_gets_its_time(tmp_path: Path) -> None:
    gone = changed('[exogenous.winter]\nquantity = "season"\nsource = "a bureau"\nstatus = "recalled"\n', "")
    (finding,) = faults(tmp_path, gone)
    assert (finding.element, finding.rule) == ("winter", "undeclared-exogenous")
    assert clock_driven(MODEL) == {"pay_index", "position", "winter"}


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = changed("low = 0.1\nmode", 'low = "x"\nmode')
    text = changed("[parameters.loss]", "[parameters.los]", text)
    text = changed('statistic = "final"\nunit', 'statistic = "last"\nunit', text)
    text = changed('title = "Beds"', 'titel = "Beds"', text)
    found = faults(tmp_path, text, SERIES.replace("40.5", "40,5"))
    lines = {finding.line for finding in found if finding.file.endswith("model.toml")}
    assert lines >= {
        line_of(text, 'low = "x"'),
        line_of(text, "[parameters.los]"),
        line_of(text, '"last"'),
        line_of(text, "titel"),
    }
    assert any(finding.file.endswith("reference.csv") and finding.line == 3 for finding in found)
    assert not any(finding.element == "stay" for finding in found), "a parameter with a faulty table is not also missing"


def test_a_file_without_its_first_table_is_one_finding(tmp_path: Path) -> None:
    found = faults(tmp_path, GOOD[GOOD.index("[calendar]") :])
    assert [(finding.reason, finding.line) for finding in found] == [("there is no [case] table", 1)]


def test_a_base_value_that_is_never_drawn_is_a_warning(tmp_path: Path) -> None:
    case = case_of(tmp_path, changed("low = 0.1\nmode = 0.25", "low = 0.3\nmode = 0.35"))
    (finding,) = case.findings
    assert finding.rule == "base-outside"
    assert "base value 0.25 month" in finding.reason


def test_a_target_that_nothing_makes_fail_is_a_warning(tmp_path: Path) -> None:
    case = case_of(tmp_path, changed('fails_when = "no_closure"\n', ""))
    assert [finding.rule for finding in case.findings] == ["target"]


def test_an_endless_tail_must_stay_inside_the_range(tmp_path: Path) -> None:
    normal = changed('"triangular"\nlow = 0.1\nmode = 0.25\nhigh = 0.5', '"normal"\nmean = 0.25\nsd = 0.1')
    (finding,) = faults(tmp_path, normal)
    assert "truncated_normal" in finding.repair
    narrow = changed('"triangular"\nlow = 0.1\nmode = 0.25\nhigh = 0.5', '"normal"\nmean = 0.25\nsd = 0.04')
    assert case_of(tmp_path, narrow).findings == ()


def test_units_are_converted_or_refused(tmp_path: Path) -> None:
    days = changed('low = 0.1\nmode = 0.25\nhigh = 0.5\nunit = "month"', 'low = 30\nmode = 90\nhigh = 180\nunit = "quarter"')
    assert any("does not convert" in finding.reason or "outside" in finding.reason for finding in faults(tmp_path, days))
    (finding,) = faults(tmp_path, changed('high = 0.5\nunit = "month"', 'high = 0.5\nunit = "bed"'))
    assert 'unit "bed" does not convert to "month"' in finding.reason
    (finding,) = faults(tmp_path, changed('unit = "bed"\nbetter', 'unit = "person"\nbetter'))
    assert 'unit "person" does not convert to "bed"' in finding.reason


@pytest.mark.parametrize("unit", ["0 month", "month^", "(((", "1e300 month^2/month", "m" * 500])
def test_a_unit_that_is_none_is_refused(tmp_path: Path, unit: str) -> None:
    found = faults(tmp_path, changed('high = 0.5\nunit = "month"', f'high = 0.5\nunit = "{unit}"'))
    assert {finding.rule for finding in found} <= {"unit", "outside-range", "base-outside"}
    assert any(finding.line == line_of(GOOD, "high = 0.5\n") + 1 or finding.rule == "outside-range" for finding in found)


def test_a_kpi_is_reported_in_the_unit_it_states(tmp_path: Path) -> None:
    """12 months are one year, so a number of months is a twelfth of it in years."""
    kpi = '[kpis.when]\nvariable = "open_beds"\nstatistic = "time_of_min"\nunit = "year"\n[kpis.losing]'
    case = case_of(tmp_path, changed("[kpis.losing]", kpi))
    assert case.kpis["when"].scale == pytest.approx(1 / 12)
    assert case.kpis["beds_at_end"].scale == 1.0


def test_years_are_converted_to_months(tmp_path: Path) -> None:
    text = changed('low = 0.1\nmode = 0.25\nhigh = 0.5\nunit = "month"', 'low = 0.01\nmode = 0.02\nhigh = 0.05\nunit = "year"')
    stay = case_of(tmp_path, text).uncertainties["stay"]
    assert (stay.low, stay.mode, stay.high) == pytest.approx((0.12, 0.24, 0.6))
    assert stay.unit == "month"


# --- reference.csv ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "line", "reason"),
    [
        ("series;year;value;unit;source;status\nbeds;1994;1,5;bed;x;verified\n", 1, "column is missing"),
        (SERIES.replace("series,year,value", "series,year,year"), 1, "two columns"),
        (SERIES.replace("40.5", "40,5"), 3, "7 cells in a row of 6"),
        (SERIES.replace("40.5", "many"), 3, "value must be a number"),
        (SERIES.replace("40.5", "nan"), 3, "value must be a number"),
        (SERIES.replace("1999", "FY99"), 3, "year must be a whole number"),
        (SERIES.replace("1999", "1994"), 3, "stands on line 2 already"),
        (SERIES.replace("recalled", "remembered"), 3, "unknown status"),
        (SERIES.replace('on paper"', "on paper"), 3, "not CSV"),
    ],
)
def test_faulty_data_is_named_by_line(tmp_path: Path, series: str, line: int, reason: str) -> None:
    found = [finding for finding in faults(tmp_path, GOOD, series) if finding.file.endswith("reference.csv")]
    assert any(reason in finding.reason and finding.line == line for finding in found), [str(finding) for finding in found]


# One mistyped key or name in each table of a model's case file that other rooms use, and the key that is named.
TYPOS = {
    "laws": ("running_totals", "runing_totals"),
    "laws.steady": ("[laws.steady]\n", "[laws.steady]\nsett = 1\n"),
    "conclusions": ("[conclusions.", "[conclusion."),
    "a conclusion": ("[conclusions.", "shares = 1\n[conclusions."),
    "fit": ("starts = ", "start = "),
    "fit.series": ("[fit.series.", "[fit.serie."),
    "fit.parameters": ('parameters = [\n    "', 'parameters = [\n    "x'),
    "workbook": ("yearly = [\n", "yearli = [\n"),
    "workbook.charts": ("shaded = ", "shade = "),
    "targets": ("fails_when", "fails_wen"),
}


@pytest.mark.parametrize("table", TYPOS)
def test_a_typo_in_any_table_is_an_error_with_its_line(table: str, tmp_path: Path) -> None:
    old, new = TYPOS[table]
    folders = [path.parent for path in bundled("models").values()]
    folder = next(path for path in folders if old in (path / "model.toml").read_text(encoding="utf-8"))
    text = (folder / "model.toml").read_text(encoding="utf-8")
    for file in ("model.xmile", "reference.csv"):
        shutil.copy(folder / file, tmp_path / file)
    wrong = text.replace(old, new, 1)
    (tmp_path / "model.toml").write_text(wrong, encoding="utf-8")
    lines = zip(text.split("\n"), wrong.split("\n"), strict=False)
    changed = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    with pytest.raises(ModelError) as caught:
        read_case(read_model(tmp_path / "model.xmile"))
    assert changed in {item.line for item in caught.value.findings}, str(caught.value)
