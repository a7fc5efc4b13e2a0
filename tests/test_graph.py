"""Causes, uses and loops against structures small enough to see through."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flowreform.formats import read_model
from flowreform.graph import circles, components, loops_through, turned
from flowreform.model import causes, uses

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


# --- components and loops --------------------------------------------------------------------------------------------


def reachable(graph: dict[str, tuple[str, ...]], start: str) -> set[str]:
    found: set[str] = set()
    edge = set(graph[start])
    while edge - found:
        found |= edge
        edge = {other for node in edge for other in graph[node]}
    return found


@given(graphs)
def test_components_are_the_nodes_that_reach_each_other(graph: dict[str, tuple[str, ...]]) -> None:
    reach = {node: reachable(graph, node) for node in graph}
    found = components(graph)
    assert sorted(node for component in found for node in component) == sorted(graph)
    where = {node: number for number, component in enumerate(found) for node in component}
    for one in graph:
        for other in graph:
            assert (where[one] == where[other]) == (one == other or (other in reach[one] and one in reach[other]))
            if other in graph[one]:
                assert where[other] <= where[one]  # what a node leads to comes before it


@given(graphs)
def test_circles_cut_every_loop(graph: dict[str, tuple[str, ...]]) -> None:
    found = circles(graph, most=100)
    rest = {node: list(others) for node, others in graph.items()}
    for circle in found:
        for one, other in zip(circle, (*circle[1:], circle[0]), strict=True):
            assert other in graph[one]
        rest[circle[-1]].remove(circle[0])
    assert all(node not in reachable({n: tuple(o) for n, o in rest.items()}, node) for node in rest)


def test_a_circle_is_the_shortest_through_its_first_node() -> None:
    graph = {"a": ("b",), "b": ("c", "d"), "c": ("e",), "d": ("a",), "e": ("a",)}
    assert circles(graph)[0] == ("a", "b", "d")
    assert circles(graph) == [("a", "b", "d"), ("a", "b", "c", "e")]


def test_a_chain_of_20_000_needs_no_recursion() -> None:
    chain = {number: (number + 1,) for number in range(20_000)} | {20_000: (0,)}
    assert len(components(chain)) == 1
    assert len(circles(chain)[0]) == 20_001


@given(graphs)
def test_turned_twice_is_the_same(graph: dict[str, tuple[str, ...]]) -> None:
    again = turned(turned(graph))
    assert {node: set(others) for node, others in again.items()} == {node: set(others) for node, others in graph.items()}
