"""Causes, uses and loops against structures small enough to see through."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flowreform.formats import read_model
from flowreform.graph import causes, loops_through, uses

NAMES = "abcdefgh"
graphs = st.fixed_dictionaries({name: st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple) for name in NAMES})


def test_a_stock_is_made_from_its_flows(ward: Path) -> None:
    graph = causes(read_model(ward / "model.xmile"))
    assert graph["open_beds"] == ("closing",)
    assert graph["closing"] == ("open_beds", "closure_rate")
    assert graph["closure_rate"] == ()
    assert uses(graph)["open_beds"] == ("closing", "using")


def test_the_shortest_loop_through_every_use() -> None:
    graph = {"a": ("c", "d"), "b": ("a",), "c": ("b",), "d": ("a",), "e": ("a",)}
    assert loops_through(graph, "a") == (("a", "d"), ("a", "b", "c"))
    assert loops_through(graph, "e") == ()


def test_a_variable_that_reads_itself() -> None:
    assert loops_through({"a": ("a",)}, "a") == (("a",),)


@given(graphs)
def test_uses_turn_causes_round(graph: dict[str, tuple[str, ...]]) -> None:
    pairs = {(cause, name) for name, read in graph.items() for cause in read}
    assert {(name, user) for name, users in uses(graph).items() for user in users} == pairs


@given(graphs, st.sampled_from(NAMES))
def test_loops_are_loops(graph: dict[str, tuple[str, ...]], name: str) -> None:
    for loop in loops_through(graph, name):
        assert loop[0] == name
        assert len(set(loop)) == len(loop)
        for cause, effect in zip(loop, (*loop[1:], loop[0]), strict=True):
            assert cause in graph[effect]


@given(graphs, st.sampled_from(NAMES))
def test_no_loop_is_missed(graph: dict[str, tuple[str, ...]], name: str) -> None:
    forward = uses(graph)
    reached: set[str] = set()
    edge = set(forward[name])
    while edge - reached:
        reached |= edge
        edge = {user for place in edge for user in forward[place]}
    assert bool(loops_through(graph, name)) == (name in reached)
