"""One edit of a sound model at a time: each breaks one rule, and that rule and no other must tell it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowreform.checks import check
from flowreform.errors import Finding, Level
from flowreform.model import Model

Findings = Callable[..., tuple[Finding, ...]]

NEED = "<eqn>200</eqn>"
REFERRAL = "SMTH1(need, noticing_time) + STEP(extra_need, campaign_start)"
TRAINING = "DELAY3(training_budget, training_time)"
SPEND = "SUM(patients) * cost_of_day * days_per_month / pounds_per_thousand"
ADMISSION = "referral * share_of_ward[ward] * slowdown[ward]"
SLOWDOWN = "effect_of_occupancy(occupancy[ward])"

ERRORS = {
    # names
    "undefined": (REFERRAL, "SMTH1(needs, noticing_time)", "undefined-name", "referral", ('"needs" is not', 'mean "need"')),
    "unknown function": (TRAINING, "DELAYS(training_budget, training_time)", "unknown-function", "training", ("delay3",)),
    "refused function": (NEED, "<eqn>GAMMA(2, 3)</eqn>", "refused-function", "need", ("GAMMA", "uncertainty")),
    "too few arguments": (TRAINING, "DELAY3(training_budget)", "argument-count", "training", ("2 to 3 arguments", "given 1")),
    "too many arguments": (TRAINING, "SQRT(training_budget, 2)", "argument-count", "training", ("SQRT takes 1", "given 2")),
    "function as name": (TRAINING, "DELAY3", "argument-count", "training", ("DELAY3 is a function",)),
    "lookup as name": (SLOWDOWN, "effect_of_occupancy", "argument-count", "slowdown", ("is a lookup and needs",)),
    "lookup of two": (SLOWDOWN, "effect_of_occupancy(1, 2)", "argument-count", "slowdown", ("takes 1 argument and is given 2",)),
    "variable as function": (TRAINING, "training_budget(2)", "not-a-function", "training", ("training_budget * (2)",)),
    # arrays
    "no such element": ("share_of_ward[ward]", "share_of_ward[surgicle]", "unknown-element", "admission", ('"surgical"',)),
    "element of another": ("share_of_ward[ward]", "share_of_ward[old]", "unknown-element", "admission", ("dimension age has",)),
    "another dimension": ("share_of_ward[ward]", "share_of_ward[age]", "unknown-element", "admission", ("age stands where",)),
    "too many subscripts": ("share_of_ward[ward]", "share_of_ward[ward, age]", "subscript-count", "admission", ("given 2",)),
    "scalar with subscript": (REFERRAL, "need[medical]", "subscript-count", "referral", ("no dimension",)),
    "number beyond": ("share_of_ward[ward]", "share_of_ward[3]", "unknown-element", "admission", ("no element 3",)),
    "array without brackets": ("SUM(patients)", "patients", "subscript-count", "spend", ("arrayed over ward", "SUM")),
    "array in a scalar": (NEED, "<eqn>discharge[ward]</eqn>", "subscript-count", "need", ("does not run over it",)),
    "whole dimension": (NEED, "<eqn>discharge[*]</eqn>", "whole-dimension", "need", ("whole dimension", "SUM")),
    # loops
    "loop": (TRAINING, "spend", "loop", "spend", ("spend -> training -> spend", "stock")),
    "loop of starts": (NEED, "<eqn>referral * 2</eqn>", "initial-loop", "referral", ("referral -> need -> referral",)),
    "self reference": (NEED, "<eqn>need + extra_need</eqn>", "self-reference", "need", ("need -> need",)),
    # units
    "sum of two units": (REFERRAL, "need + noticing_time", "units", "referral", ("person/month (need)", "month (noticing_time)")),
    "missing factor": ("patients / stay", "patients", "units", "discharge", ("person/month", "comes to person;", "1/month")),
    "day against month": (
        "<units>days/month</units>", "<units>day/day</units>", "units", "spend", ("1 thousand*GBP/day is 30.4375", "month/day"),
    ),
    "pounds against thousands": (
        "<units>GBP/thousand GBP</units>", "<units>GBP/GBP</units>", "units", "spend", ("adds GBP/month", "1 GBP/month is 0.001"),
    ),
    "thousandfold": (" / pounds_per_thousand + MAX(0, training)", "", "units", "spend", ("0.001", "GBP/month")),
    "flow and stock": (
        "<units>thousand GBP</units>", "<units>thousand USD</units>",
        "units", "spend_to_date", ("its inflow spend in kGBP/month", "thousand*USD/month"),
    ),
    "literal added": (REFERRAL, "need + 5", "units", "referral", ("make 5 a parameter in person/month",)),
    "comparison": ("TIME &gt; campaign_start", "TIME &gt; need", "units", "training", ("compares month (time)",)),
    "then and else": ("ELSE 0", "ELSE need", "units", "training", ("third argument of IF",)),
    "time of a delay": (TRAINING, "DELAY3(training_budget, need)", "units", "training", ("second argument of DELAY3", "month")),
    "logarithm of people": (REFERRAL, "LN(need)", "units", "referral", ("first argument of LN", "dimensionless")),
    "unit text": ("<units>days/month</units>", "<units>days//month</units>", "bad-units", "days_per_month", ("days//month",)),
    "unit of the model": ("<eqn>person</eqn>", "<eqn>person*</eqn>", "bad-units", "inpatient", ("breaks off",)),
    # time and range
    "short delay": ("<eqn>3</eqn>", "<eqn>0.18</eqn>", "dt", "training", ("0.06", "3 stages", "overshoots")),
    "delay of nothing": ("<eqn>3</eqn>", "<eqn>0</eqn>", "delay-time", "training", ("time of DELAY3 is 0",)),
    "short stay": ("patients / stay", "patients / stay * 20", "dt", "discharge", ("empties patients", "0.025 month")),
    "above its range": ("<eqn>0.7</eqn>", "<eqn>1.7</eqn>", "outside-range", "share of ward", ("[medical] 1.7", "ends at 1")),
    "below its range": ("<eqn>80</eqn>", "<eqn>-80</eqn>", "outside-range", "patients at start", ("-80", "starts at 0")),
}  # fmt: skip


def canon(text: str) -> str:
    return text.replace(" ", "_")


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_told_by_its_rule_alone(name: str, findings: Findings) -> None:
    old, new, rule, element, words = ERRORS[name]
    found = [item for item in findings((old, new)) if item.level is Level.ERROR]
    assert {(item.rule, canon(item.element)) for item in found} == {(rule, canon(element))}, [str(item) for item in found]
    assert all(item.line > 1 and item.file.endswith("model.xmile") and item.repair for item in found)
    told = " | ".join(f"{item.reason}; {item.repair};" for item in found)
    assert all(word in told for word in words), told


def test_a_sound_model_has_no_findings(findings: Findings) -> None:
    assert findings() == ()


def test_every_rule_of_structure_stops_and_no_second_opinion_follows(findings: Findings) -> None:
    """What the rules find is not found again while the model is lowered."""
    found = findings((REFERRAL, "needs"))
    assert {item.rule for item in found if item.level is Level.ERROR} == {"undefined-name"}


def test_all_findings_come_at_once_in_the_order_of_the_file(findings: Findings) -> None:
    found = findings(
        (REFERRAL, "needs"), ("patients / stay", "patients"), ("<eqn>0.7</eqn>", "<eqn>7</eqn>"), (TRAINING, "NO(1)")
    )
    errors = [item for item in found if item.level is Level.ERROR]
    assert [item.rule for item in errors] == ["units", "outside-range", "undefined-name", "unknown-function"]
    assert [item.line for item in found] == sorted(item.line for item in found)


def test_no_units(findings: Findings) -> None:
    found = findings(("<units>days/month</units>", ""))
    assert [(item.rule, item.level, item.element) for item in found] == [("missing-units", Level.WARNING, "days per month")]


def test_no_documentation(findings: Findings) -> None:
    found = findings(("<doc>Length of a course.</doc>", ""))
    assert [(item.rule, item.level, item.element) for item in found] == [("missing-doc", Level.WARNING, "training time")]


def test_unused_parameters_and_lookups(findings: Findings) -> None:
    found = findings((REFERRAL, "need"), (SLOWDOWN, "1"))
    assert {item.rule for item in found} == {"unused"}
    # occupancy is read by nothing either, but an auxiliary that nothing reads may well be a result
    assert {item.element for item in found} == {"noticing time", "extra need", "effect of occupancy"}
    assert {item.level for item in found} == {Level.WARNING}


def test_unused_auxiliaries_when_the_results_are_known(edited: Callable[..., Model]) -> None:
    model = edited((SLOWDOWN, "1"))
    assert "occupancy" not in {item.element for item in check(model)}
    assert {item.element for item in check(model, used=["spend to date"])} == {"effect of occupancy", "occupancy"}
    assert {item.element for item in check(model, used=["occupancy[medical]"])} == {"effect of occupancy"}


def test_a_parameter_that_only_the_case_names_is_unused(edited: Callable[..., Model]) -> None:
    model = edited((REFERRAL, "need + STEP(extra_need, campaign_start)"))
    assert {item.element for item in check(model, used=["noticing_time"])} == {"noticing time"}


def test_a_bare_time_is_a_warning(findings: Findings) -> None:
    found = [item for item in findings((TRAINING, "DELAY3(training_budget, 3)")) if item.rule != "unused"]
    assert [(item.rule, item.level) for item in found] == [("units", Level.WARNING)]
    assert found[0].repair == "make 3 a parameter in month"


def test_a_coarse_dt_is_a_warning(findings: Findings) -> None:
    # a stage of 0.5 / 3 = 0.167: dt = 1/16 is between a quarter of it and all of it
    found = findings(("<eqn>3</eqn>", "<eqn>0.5</eqn>"))
    assert [(item.rule, item.level, item.element) for item in found] == [("dt", Level.WARNING, "training")]
    assert "set dt to 0.03125 or less" in found[0].repair


def test_no_time_unit(findings: Findings) -> None:
    found = findings((' time_units="month"', ""))
    assert [(item.rule, item.level, item.element) for item in found] == [("missing-units", Level.WARNING, "sim_specs")]


def test_an_unreadable_time_unit(findings: Findings) -> None:
    found = findings((' time_units="month"', ' time_units="month+"'))
    assert [(item.rule, item.level) for item in found] == [("bad-units", Level.ERROR)]


def test_units_of_the_model_are_known(findings: Findings) -> None:
    found = findings(("<eqn>person</eqn>", "<eqn>bed</eqn>"))
    assert {(item.rule, item.element) for item in found} == {("units", "patients")}
    assert "initial value patients_at_start[ward] comes to bed" in found[0].reason
