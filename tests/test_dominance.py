"""Loop scores against pysimlin, worked examples and laws; claims about loops against what the loops do.

The published examples are written anew: the three-party arms race of Eberlein and Schoenberg ("Finding the Loops that Matter",
2020), the bounded growth of Schoenberg, Davidsen and Eberlein (System Dynamics Review 36, 2020), and the flows of Schoenberg,
Hayward and Eberlein (System Dynamics Review 39, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import auxiliary, flow, model, parameter, stock
from flowreform import ExperimentError, ModelError, check, loops, read_model, write_model
from flowreform.analyse.dominance.regimes import When, regimes
from flowreform.analyse.dominance.search import every_loop, strongest
from flowreform.batch import matrix_of
from flowreform.links.course import Course, course, euler, slot_names
from flowreform.links.scores import scores
from flowreform.links.signs import signs, structural_sign
from flowreform.lower import lower
from flowreform.model import Method, Model
from flowreform.program import Assign
from random_models import made


def along(made: Model) -> tuple[Course, dict[str, int]]:
    program = euler(lower(made))
    names = slot_names(program, made)
    return course(program, matrix_of(program, made, {}, 1)), {name: slot for slot, name in enumerate(names)}


def arms_race() -> Model:
    """Three parties, each adjusting its arms to those of the other two."""
    shares = {"a": (("b", 1.0), ("c", 0.9)), "b": (("a", 1.0), ("c", 1.1)), "c": (("a", 1.1), ("b", 0.9))}
    parts = [parameter("adjustment_time", 10.0)]
    for party, start in (("a", 50), ("b", 100), ("c", 150)):
        (first, one), (second, two) = shares[party]
        parts += [
            stock(f"arms_{party}", str(start), (f"changing_{party}",)),
            flow(f"changing_{party}", f"(target_{party} - arms_{party})/adjustment_time"),
            auxiliary(f"target_{party}", f"({one}*arms_{first} + {two}*arms_{second})/2"),
        ]
    return model(parts, stop=100, dt=1.0)


def bounded_growth() -> Model:
    """Growth that a limit ends: the reinforcing loop leads, then the balancing one."""
    return model(
        [
            stock("population", "10", ("births",)),
            flow("births", "population*growth"),
            auxiliary("growth", "top_growth*(1 - share_used)"),
            auxiliary("share_used", "population/carrying"),
            parameter("top_growth", 0.1),
            parameter("carrying", 1000.0),
        ],
        stop=100,
        dt=1.0,
    )


def predators() -> Model:
    """Two stocks that act on each other, each with a flow in and a flow out."""
    return model(
        [
            stock("hares", "100", ("hare_births",), ("hares_eaten",)),
            stock("lynxes", "10", ("lynx_births",), ("lynx_deaths",)),
            flow("hare_births", "0.5*hares"),
            flow("hares_eaten", "0.02*hares*lynxes"),
            flow("lynx_births", "0.005*hares*lynxes"),
            flow("lynx_deaths", "0.4*lynxes"),
        ],
        stop=30,
        dt=0.125,
    )


def turns(path: Sequence[str]) -> frozenset[tuple[str, str]]:
    """The links of a loop, wherever it begins."""
    return frozenset(zip(path, (*path[1:], path[0]), strict=True))


# --- against another tool --------------------------------------------------------------------------------------------


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("made", [arms_race(), bounded_growth(), predators()], ids=["arms race", "bounded growth", "predators"])
def test_scores_are_those_of_pysimlin(made: Model, tmp_path: Path) -> None:
    """Link scores, loop scores and shares at every step; at the start there is no change yet, and all are 0."""
    import simlin

    path = write_model(made, tmp_path / "model.xmile")
    sim = simlin.load(path).simulate(enable_ltm=True)
    sim.run_to_end()
    run, slots = along(read_model(path))
    ours = scores(run, [(source, target) for target, sources in run.sources.items() for source in sources]).by_link
    compared = 0
    for link in sim.get_links():
        if link.score is not None and (slots[link.from_var], slots[link.to_var]) in ours:
            mine = ours[slots[link.from_var], slots[link.to_var]]
            np.testing.assert_allclose(mine[1:], np.nan_to_num(link.score)[1:], rtol=1e-6, atol=1e-6, err_msg=str(link))
            compared += 1
    assert compared >= 4
    found = {turns(loop.path): loop for loop in loops(read_model(path)).loops}
    theirs = sim.get_loops_runtime()
    assert len(theirs) == len(found)
    for loop in theirs:
        mine_loop = found[turns(loop.variables)]
        np.testing.assert_allclose(mine_loop.scores[1:], sim.get_loop_score(loop.id)[1:], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(mine_loop.shares[1:], sim.get_relative_loop_score(loop.id)[1:], rtol=1e-6, atol=1e-6)


def test_the_arms_race_has_the_loops_of_its_paper() -> None:
    found = loops(arms_race())
    assert found.complete
    kinds = sorted(loop.kind for loop in found)
    assert kinds == ["balancing"] * 3 + ["reinforcing"] * 5
    last = {loop.name: abs(float(loop.shares[-1])) for loop in found if len(loop.path) == 9}
    assert len(last) == 2  # the two loops through all three parties
    assert sum(1 for loop in found if len(loop.path) == 6) == 3


def test_bounded_growth_changes_hands_at_half_the_limit() -> None:
    """d births/d population is r (1 - P/K) by one loop and -r P/K by the other: they are equal at P = K/2."""
    made = bounded_growth()
    run, slots = along(made)
    population = run.values[slots["population"]]
    found = loops(made, "population")
    sizes = {loop.kind: np.abs(loop.shares) for loop in found}
    lead = sizes["reinforcing"] > sizes["balancing"]
    half = int(np.argmax(population > 500.0))
    assert lead[2 : half - 1].all()
    assert not lead[half + 2 :].any()
    assert [regime.leader for regime in found.regimes] == ["R1", "B1"]
    assert "rises" in found.sentences()[0]
    assert "balancing loop B1" in found.sentences()[1]
    assert "leads with" in found.sentences()[0]


def test_one_loop_has_it_all() -> None:
    made = model([stock("debt", "100", ("interest",)), flow("interest", "debt*rate"), parameter("rate", 0.05)])
    (loop,) = loops(made).loops
    assert loop.kind == "reinforcing"
    np.testing.assert_allclose(loop.shares[1:], 1.0)
    np.testing.assert_allclose(loop.scores[1:], 1.0)


def test_the_worked_flows_of_the_paper() -> None:
    """An inflow from 5 to 10 and an outflow from 4 to 5: their scores are 5/4 and -1/4."""
    made = model(
        [
            stock("level", "100", ("filling",), ("emptying",)),
            flow("filling", "5 + STEP(5, 1)"),
            flow("emptying", "4 + STEP(1, 1)"),
        ],
        stop=3,
        dt=1.0,
    )
    run, slots = along(made)
    level = slots["level"]
    ours = scores(run, [(slots["filling"], level), (slots["emptying"], level)]).by_link
    assert ours[slots["filling"], level][1] == pytest.approx(1.25)
    assert ours[slots["emptying"], level][1] == pytest.approx(-0.25)


def test_flows_drawn_apart_or_as_one_score_alike() -> None:
    """The law of the 2023 paper: adding flows up to a net flow changes no loop score."""
    apart = predators()
    net = [
        item for item in apart if item.name not in ("hares", "lynxes", "hare_births", "hares_eaten", "lynx_births", "lynx_deaths")
    ]
    net += [
        stock("hares", "100", ("net_hares",)),
        stock("lynxes", "10", ("net_lynxes",)),
        flow("net_hares", "hare_births - hares_eaten"),
        flow("net_lynxes", "lynx_births - lynx_deaths"),
        auxiliary("hare_births", "0.5*hares"),
        auxiliary("hares_eaten", "0.02*hares*lynxes"),
        auxiliary("lynx_births", "0.005*hares*lynxes"),
        auxiliary("lynx_deaths", "0.4*lynxes"),
    ]
    one = {frozenset(loop.path): loop for loop in loops(apart).loops}
    two = {frozenset(loop.path) - {"net_hares", "net_lynxes"}: loop for loop in loops(model(net, stop=30, dt=0.125)).loops}
    assert set(one) == set(two)
    for path, loop in one.items():
        np.testing.assert_allclose(two[path].scores, loop.scores, rtol=1e-6)


@pytest.mark.parametrize("drop", ["sign", "size", "lag"])
def test_a_wrong_link_score_is_caught(drop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants of the score: without its sign, with the size of the flow in place of its change, a step late."""
    import flowreform.analyse.dominance.dominance as module

    right = scores

    def wrong(run: Course, links: Any) -> Any:
        found = right(run, links)
        for link, values in found.by_link.items():
            if drop == "sign":
                found.by_link[link] = np.abs(values)
            elif drop == "size":
                found.by_link[link] = values * np.abs(run.values[link[0]])
            else:
                found.by_link[link] = np.roll(values, 7)
        return found

    monkeypatch.setattr(module, "scores", wrong)
    with pytest.raises((AssertionError, KeyError)):
        test_bounded_growth_changes_hands_at_half_the_limit()


@pytest.mark.parametrize("seed", range(12))
def test_an_expression_along_a_run_is_what_the_engine_works_out(seed: int) -> None:
    """On random models: every equation, looked at over all steps at once, gives the values of the run."""
    run, _ = along(made(seed, Method.EULER).model)
    steps = np.arange(len(run.times))
    looked = 0
    for slot, part in run.within.items():
        found = run.evaluate(part.code, steps, lambda source: run.values[source])
        np.testing.assert_allclose(found, run.values[slot], rtol=1e-12, atol=1e-12, err_msg=part.name)
        looked += 1
    for slot, part in run.after.items():
        found = run.evaluate(part.code, steps, lambda source: run.values[source])
        np.testing.assert_allclose(found[:-1], run.values[slot][1:], rtol=1e-12, atol=1e-12, err_msg=part.name)
    assert looked > 3


# --- finding loops ---------------------------------------------------------------------------------------------------

graphs = st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), min_size=6, max_size=6)


def by_hand(graph: dict[int, list[int]]) -> set[tuple[int, ...]]:
    """Every loop, by walking every path."""
    found: set[tuple[int, ...]] = set()

    def walk(path: list[int]) -> None:
        for step in graph[path[-1]]:
            if step == path[0]:
                found.add(tuple(path))
            elif step > path[0] and step not in path:
                walk([*path, step])

    for start in graph:
        walk([start])
    return found


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_every_loop_is_found_once(lists: list[list[int]]) -> None:
    graph = dict(enumerate(lists))
    found = every_loop(graph, 100_000)
    assert found is not None
    assert len(found) == len(set(found))
    assert set(found) == by_hand(graph)


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_strong_loops_are_loops_and_none_is_found_where_there_is_none(lists: list[list[int]]) -> None:
    graph = dict(enumerate(lists))
    weights = {node: [(other, 1.0 / (1 + (3 * node + other) % 5)) for other in others] for node, others in graph.items()}
    every = by_hand(graph)
    found = strongest(weights, list(graph))
    assert found <= every
    assert {node for loop in found for node in loop} == {node for loop in every for node in loop} or len(found) < len(every)
    assert bool(found) == bool(every)


def test_too_many_loops_are_said_to_be_too_many() -> None:
    count = 9
    parts = []
    for i in range(count):
        others = " + ".join(f"s{j}" for j in range(count) if j != i)
        parts += [stock(f"s{i}", f"{10 + i}", (f"f{i}",)), flow(f"f{i}", f"0.01*({others}) - 0.1*s{i}")]
    found = loops(model(parts))
    assert not found.complete
    assert "too many to count" in found.method
    assert len(found) > 0


# --- regimes ---------------------------------------------------------------------------------------------------------


class Told:
    def __init__(self, name: str, shares: list[float]) -> None:
        self.name, self.kind, self.title, self.shares = name, "balancing", name, np.array(shares)


def test_a_short_lead_belongs_to_its_neighbour() -> None:
    shares = [0.7] * 50 + [0.4] * 2 + [0.7] * 48
    other = [0.3] * 50 + [0.6] * 2 + [0.3] * 48
    found = regimes(When(None, "month"), "", None, np.arange(100.0), [Told("a", shares), Told("b", other)])
    assert [(item.leader, item.start, item.stop) for item in found] == [("a", 0.0, 99.0)]


def test_less_than_half_is_no_lead() -> None:
    told = [Told("a", [0.4] * 10), Told("b", [0.3] * 10), Told("c", [0.3] * 10)]
    (found,) = regimes(When(None, "month"), "", None, np.arange(10.0), told)
    assert "is the largest, with 40 %" in found.sentence


def test_a_system_at_rest_has_no_leader() -> None:
    found = regimes(When(None, "month"), "", None, np.arange(10.0), [Told("a", [0.0] * 10)])
    assert [item.leader for item in found] == [""]
    assert "no loop acts" in found[0].sentence


# --- signs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sign"),
    [("x*y", 1), ("y/x", -1), ("y - x", -1), ("MAX(0, 1 - x/50)", -1), ("IF y > 3 THEN x ELSE 2*x", 1), ("x*(y - x)", None)],
)
def test_signs_by_differences_and_by_structure_agree(text: str, sign: int | None) -> None:
    made = model([stock("x", "10", ("f",)), flow("f", "1"), auxiliary("z", text), parameter("y", 4.0)], stop=5)
    run, slots = along(made)
    link = slots["x"], slots["z"]
    measured = {int(value) for value in signs(run, [link])[link].tolist()}
    part: Assign = run.within[slots["z"]]
    assert structural_sign(part.code, slots["x"], run.program) == sign
    if sign is not None:
        assert measured == {sign}


# --- claims ----------------------------------------------------------------------------------------------------------

CASE = """
[case]
title = "Growth"
question = "Where does it end?"

[parameters.top_growth]
source = "a guess"
status = "assumption"

[parameters.carrying]
source = "a guess"
status = "assumption"

[loops.growth]
kind = "{kind}"
through = {through}
"""


def claim(folder: Path, kind: str, through: str, made: Model | None = None) -> list[Any]:
    path = write_model(made or bounded_growth(), folder / "model.xmile")
    (folder / "model.toml").write_text(CASE.format(kind=kind, through=through))
    return [item for item in check(path) if item.rule in ("loop-claim", "unknown-variable")]


def test_a_right_claim_passes(tmp_path: Path) -> None:
    assert claim(tmp_path, "balancing", '["population", "share_used", "births"]') == []
    assert claim(tmp_path, "reinforcing", '["population", "births"]') == []


@pytest.mark.parametrize(
    ("kind", "through", "reason"),
    [
        ("reinforcing", '["population", "share_used", "births"]', "is balancing, not reinforcing"),
        ("balancing", '["population", "births"]', "is reinforcing, not balancing"),
        ("changing", '["population", "births"]', "is reinforcing, not changing"),
        ("balancing", '["births", "share_used", "growth", "population"]', "no loop passes through"),
        ("balancing", '["population", "carrying"]', "no loop passes it"),
        ("balancing", '["population", "deaths"]', "no such variable"),
    ],
)
def test_a_wrong_claim_is_an_error_with_its_place(kind: str, through: str, reason: str, tmp_path: Path) -> None:
    (finding,) = claim(tmp_path, kind, through)
    assert finding.level == "error"
    assert reason in finding.reason
    assert finding.file.endswith("model.toml")
    assert finding.line in (14, 15, 16)
    assert finding.repair


def test_a_loop_that_turns_is_no_claim_of_one_kind(tmp_path: Path) -> None:
    made = model(
        [
            stock("population", "10", ("births",)),
            flow("births", "population*growth*(1 - population/carrying)"),
            auxiliary("growth", "top_growth"),
            parameter("top_growth", 0.1),
            parameter("carrying", 100.0),
        ],
        stop=120,
    )
    (finding,) = claim(tmp_path, "reinforcing", '["population", "births"]', made)
    assert "balancing at others" in finding.reason
    assert claim(tmp_path, "changing", '["population", "births"]', made) == []


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(ModelError, match="not a stock"):
        loops(bounded_growth(), "births")
    with pytest.raises(ModelError, match="no such variable"):
        loops(bounded_growth(), "populations")
    with pytest.raises(ExperimentError, match="no such scenario"):
        loops("care_shift", scenario="built_first")


def test_a_model_by_runge_kutta_is_followed_by_eulers_steps() -> None:
    made = model([stock("debt", "100", ("interest",)), flow("interest", "debt*0.05")], method=Method.RK4)
    assert [loop.kind for loop in loops(made)] == ["reinforcing"]


def test_shares_add_up_to_one() -> None:
    found = loops(predators())
    total = np.sum([np.abs(loop.shares) for loop in found], axis=0)
    np.testing.assert_allclose(total[1:], 1.0, rtol=1e-9)
    assert all(first >= second for first, second in pairwise([round(loop.share, 12) for loop in found]))
    assert "R1" in repr(found) or "B1" in repr(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "headline", "scenario"),
    [
        ("care_shift", "open_staffed_beds", "build_first"),
        ("va_transformation", "open_staffed_beds", ""),
        ("canterbury", "open_staffed_beds", ""),
        ("mental_health_shift", "site_beds", ""),
        ("reform_levers", "reported_level", "no_display"),
        ("stroke_centralisation", "in_hyperacute", ""),
    ],
)
def test_bundled_models_tell_their_story(name: str, headline: str, scenario: str) -> None:
    found = loops(name, headline, scenario=scenario)
    assert found.sentences()
    assert all(headline in regime.sentence for regime in found.regimes)
    assert all(0.0 < regime.share <= 1.0 for regime in found.regimes if regime.leader)
