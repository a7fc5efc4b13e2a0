"""`[plan]` of an experiment file: what a good one gives, and what every broken line is told."""

from __future__ import annotations

import tomllib

import pytest

from flowreform.case import Case, build_case
from flowreform.errors import ExperimentError, Level, ModelError
from flowreform.experiment import Experiment
from flowreform.experiment.experiment import build_experiment, toml_text
from flowreform.experiment.plans import WindowEdge, problem_of
from flowreform.model import Dimension, Equation, Model, Number, Ref, Role, SimSpecs, Variable
from flowreform.toml import Document, Source, toml_lines

HEAD = """\
[experiment]
title = "t"
question = "q"
model = "small"
baseline = "keep_up"

[scenarios.keep_up.set]
share_of_growth_for_beds = 1
"""
PLAN = """
[plan]
kept_in_share_of_runs = 0.9
fixed = { leadership_continuity = 48 }
worlds = { annual_demand_growth = [0, 0.01] }

[plan.decide.lead_time_of_community_care]
from = -12
to = 36
step = 3

[[plan.require]]
name = "occupancy kept"
series = "monthly_mean_occupancy"
average = "year"
at_most = 0.95
from = "closure_start + 6"

[[plan.require]]
series = "days_from_referral_to_discharge"
times = 1.02
against = "baseline"

[[plan.require]]
series = "staffed_beds"
difference_at_most = -20
against = "baseline"
from = 84
until = "end"
"""


def parameter(name: str, value: float, units: str, low: float, high: float) -> Variable:
    return Variable(name, name, Role.PARAMETER, (Equation(str(value), Number(value)),), (), units, range=(low, high))


def auxiliary(name: str, units: str, of: str, dimensions: tuple[str, ...] = ()) -> Variable:
    return Variable(name, name, Role.AUXILIARY, (Equation(of, Ref(of)),), dimensions, units=units)


MODEL = Model(
    "small",
    SimSpecs(0.0, 120.0, 1.0, time_unit="month"),
    {
        item.name: item
        for item in (
            Variable("transition_fund", "Fund", Role.STOCK, (Equation("0", Number(0.0)),), units="GBP"),
            parameter("lead_time_of_community_care", 0.0, "month", -36.0, 36.0),
            parameter("share_of_growth_for_beds", 0.0, "dimensionless", 0.0, 1.0),
            parameter("leadership_continuity", 30.0, "month", 6.0, 84.0),
            parameter("annual_demand_growth", 0.0, "dimensionless", -0.02, 0.02),
            auxiliary("closure_start", "month", "lead_time_of_community_care"),
            auxiliary("occupancy", "dimensionless", "share_of_growth_for_beds"),
            auxiliary("monthly_mean_occupancy", "dimensionless", "occupancy"),
            auxiliary("days_from_referral_to_discharge", "day", "leadership_continuity"),
            auxiliary("staffed_beds", "bed", "transition_fund"),
            auxiliary("places_open", "place", "transition_fund", ("service",)),
            auxiliary("total_spend", "GBP", "transition_fund"),
        )
    },
    {"service": Dimension("service", "Service", ("home", "bedded"))},
)
CASE = """\
[case]
title = "A small case"
question = "q"

[calendar]
origin = 2026-04-01
time_unit = "month"

[levers.lead_time_of_community_care]
label = "Lead time"
source = "s"
status = "assumption"

[parameters.share_of_growth_for_beds]
source = "s"
status = "assumption"

[parameters.leadership_continuity]
source = "s"
status = "assumption"

[parameters.annual_demand_growth]
source = "s"
status = "assumption"

[kpis.net_present_cost]
variable = "total_spend"
statistic = "final"
run_on = "total_spend"
against = "baseline"
better = "lower"

[kpis.net_cash]
variable = "total_spend"
statistic = "final"
against = "baseline"
better = "lower"

[kpis.overlap_total]
variable = "total_spend"
statistic = "final"
better = "lower"

[kpis.overlap_ended]
variable = "total_spend"
statistic = "last_above"
threshold = 1
better = "lower"

[kpis.beds_fewer]
variable = "staffed_beds"
statistic = "final"
against = "baseline"

[planning]
beds = ["staffed_beds"]
patients = ["days_from_referral_to_discharge"]
cash = ["net_cash"]
cost_parts = ["overlap_total"]
fund = "transition_fund"
lead = "lead_time_of_community_care"
"""


def case_of(text: str = CASE) -> Case:
    source = Source(Document("model.toml", tomllib.loads(text), toml_lines(text)))
    case = build_case(source, MODEL)
    if case is None or source.failed:
        raise ModelError(source.findings)
    return case


@pytest.fixture(scope="module")
def case() -> Case:
    return case_of()


def read(text: str, case: Case) -> Experiment:
    source = Source(Document("plan.toml", tomllib.loads(text), toml_lines(text)))
    found = build_experiment(source, MODEL, case, None)
    if found is None or source.failed:
        raise ExperimentError([item for item in source.findings if item.level is Level.ERROR])
    return found


def test_a_good_table(case: Case) -> None:
    exp = read(HEAD + PLAN, case)
    problem = problem_of(exp)
    assert (problem.baseline, problem.scenario, problem.objective, problem.sense) == (
        "keep_up",
        "keep_up",
        "net_present_cost",
        1.0,
    )
    assert dict(problem.given) == {"share_of_growth_for_beds": 1.0, "leadership_continuity": 48.0}
    assert [item.value(at) for item in problem.decisions for at in (0, 16)] == [-12.0, 36.0]
    assert problem.requirements[0].start == WindowEdge("closure_start", 6.0)
    assert problem.requirements[-1].series == "transition_fund"  # nobody asked, so no plan may live on a fund to the end
    assert problem.requirements[-1].start == WindowEdge("end", -24.0)
    assert problem.appraisal_end == 240.0
    text = "\n".join(str(part) for part in exp.manual())
    assert "lead_time_of_community_care" in text
    assert "occupancy kept" in text


def test_written_and_read_again_it_is_the_same(case: Case) -> None:
    exp = read(HEAD + PLAN, case)
    again = read(toml_text(exp, "small"), case)
    assert again.plan == exp.plan
    assert problem_of(again) == problem_of(exp)
    assert exp.with_(draws=7).plan == exp.plan
    assert exp.with_(scenarios={"other": {}}).plan is None  # its baseline has gone


FAULTS = [
    ("kept_in_share_of_runs = 0.9", "kept_in_share_of_run = 0.9", "did you mean \"kept_in_share_of_runs\"?"),
    ("fixed = { leadership_continuity = 48 }", "fixed = { leadership_continuty = 48 }", "leadership_continuity"),
    ("fixed = { leadership_continuity = 48 }", "fixed = { lead_time_of_community_care = 0 }", "fix it or decide it"),
    ("[plan.decide.lead_time_of_community_care]", "[plan.decide.lead_time_of_comunity_care]", "lead_time_of_community_care"),
    ("step = 3", "step = 5", "write to = 33"),
    ("step = 3", "step = 0", "greater than 0"),
    ("to = 36", "to = 48", "outside the range -36 to 36"),
    ("to = 36", "to = -15", "below from"),
    ("at_most = 0.95", "at_most = 0.95\nat_least = 0.5", "one limit"),
    ("at_most = 0.95", "", "has none"),
    ("at_most = 0.95", "times = 1.02", "against = \"baseline\""),
    ("at_most = 0.95", "at_most = 0.95\nagainst = \"baseline\"", "not relative"),
    ("average = \"year\"", "average = \"week\"", "\"month\", \"quarter\""),
    ("from = \"closure_start + 6\"", "from = \"closure_strat\"", "closure_start"),
    ("from = \"closure_start + 6\"", "from = \"occupancy\"", "holds a date"),
    ("from = \"closure_start + 6\"", "from = \"closure_start * 2\"", "no such"),
    ("from = 84", "from = 300", "inside the run"),
    ("from = 84\nuntil = \"end\"", "from = 84\nuntil = 96", "may open again"),
    ("series = \"monthly_mean_occupancy\"", "series = \"monthly_mean_ocupancy\"", "monthly_mean_occupancy"),
    ("series = \"monthly_mean_occupancy\"", "kpi = \"beds_fewr\"", "beds_fewer"),
    ("series = \"monthly_mean_occupancy\"", "kpi = \"beds_fewer\"", "window of its own"),
    ("series = \"monthly_mean_occupancy\"", "series = \"places_open\"", "has elements"),
    ("[plan]", "[plan]\nobjective = \"net_present_costs\"", "net_present_cost"),
    ("[plan]", "[plan]\nobjective = \"overlap_ended\"", "may never come"),
    ("[plan]", "[plan]\nobjective = \"beds_fewer\"", "neither direction"),
    ("[plan]", "[plan]\nbaseline = \"keep\"", "keep_up"),
    ("[plan]", "[plan]\nappraisal_end = 100", "not the horizon"),
    ("[plan]", "[plan]\nfrontier = { against = \"beds_few\", levels = [1, 2] }", "beds_fewer"),
    ("[plan]", "[plan]\nfrontier = { against = \"beds_fewer\", levels = [2, 1] }", "levels rise"),
    ("annual_demand_growth = [0, 0.01]", "annual_demand_growth = [0, 9]", "outside the range"),
    ("annual_demand_growth = [0, 0.01]", "demand = [0]", "demand"),
    ("[plan]", "[plan]\nschedule = { levers = [\"lead\"], every = 3, periods = 2 }", "is a decision of the plan"),
    ("[plan]", "[plan]\nschedule = { levers = [\"lead_time_of_community_care\"], every = 1, periods = 2 }", "two or more"),
    ("[plan]", "[plan]\nschedule = { levers = [\"lead_time_of_community_care\"], every = 12, periods = 20 }", "horizon"),
    ("[plan]", "[pla]", "did you mean \"plan\"?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), FAULTS, ids=[f"{at}-{row[1][:24]}" for at, row in enumerate(FAULTS)])
def test_every_fault_is_told_with_its_line(old: str, new: str, told: str, case: Case) -> None:
    text = HEAD + PLAN
    assert old in text
    with pytest.raises(ExperimentError) as fault:
        read(text.replace(old, new, 1), case)
    assert told in str(fault.value)
    assert all(finding.line for finding in fault.value.findings)


REFUSED = [
    ("net_cash", "", "by not treating people", "require one of days_from_referral_to_discharge"),
    ("overlap_total", "", "by not treating people", "net_present_cost"),
    ("overlap_total", "patients", "moves nothing has none of it", "require fewer beds"),
]


@pytest.mark.parametrize(("objective", "kept", "reason", "repair"), REFUSED)
def test_an_objective_that_not_treating_makes_small_is_refused(
    objective: str, kept: str, reason: str, repair: str, case: Case
) -> None:
    decide = PLAN[: PLAN.index("[[plan.require]]")].replace("[plan]", f'[plan]\nobjective = "{objective}"')
    patients = '[[plan.require]]\nseries = "days_from_referral_to_discharge"\ntimes = 1.02\nagainst = "baseline"\n'
    with pytest.raises(ExperimentError) as fault:
        read(HEAD + decide + (patients if kept else ""), case)
    assert reason in str(fault.value)
    assert repair in str(fault.value)
    whole = HEAD + PLAN.replace("[plan]", f'[plan]\nobjective = "{objective}"')
    assert problem_of(read(whole, case)).objective == objective  # with both requirements it may be asked


def test_a_requirement_on_the_fund_stands_in_place_of_the_rule(case: Case) -> None:
    own = '\n[[plan.require]]\nseries = "transition_fund"\nat_most = 1e8\n'
    names = [item.name for item in problem_of(read(HEAD + PLAN + own, case)).requirements]
    assert names == ["occupancy kept", "days_from_referral_to_discharge", "staffed_beds", "transition_fund"]


def test_a_frontier_on_a_kpi_stands_in_place_of_the_beds(case: Case) -> None:
    text = HEAD + PLAN.replace("[plan]", '[plan]\nfrontier = { against = "beds_fewer", levels = [10, 20] }')
    problem = problem_of(read(text, case))
    assert problem.added
    assert problem.replaced == ("staffed_beds",)
    assert (problem.requirements[-1].kpi, problem.requirements[-1].form) == ("beds_fewer", "at_least")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('beds = ["staffed_beds"]', 'beds = ["staffed_bed"]', "staffed_beds"),
        ('cash = ["net_cash"]', 'cash = ["net_cahs"]', "net_cash"),
        ('lead = "lead_time_of_community_care"', 'lead = "closure_start"', "closure_start"),
        ("[planning]", "[planing]", "planning"),
        ("[planning]", "[planning]\nbed = []", "beds"),
        ("[planning]", '[planning]\nclosed = "places_open"', "single value"),
    ],
)
def test_every_fault_of_the_case_is_told(old: str, new: str, told: str) -> None:
    with pytest.raises(ModelError) as fault:
        case_of(CASE.replace(old, new, 1))
    assert told in str(fault.value)
