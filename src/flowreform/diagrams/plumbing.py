"""What flows where: counters, the ends of each flow, chains of stocks, and the sector each chain is at home in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowreform.model import Causes, Model, Role, causes, uses


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow with the stock it leaves and the one it enters; empty where that is outside, or only counted."""

    name: str
    source: str
    sink: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Stocks that material passes between, in the order of the file, with all their flows."""

    stocks: tuple[str, ...]
    flows: tuple[Flow, ...]
    home: str


@dataclass(frozen=True, slots=True)
class Plumbing:
    """The chains of a model and, by sector, the stocks that only count."""

    chains: tuple[Chain, ...]
    counters: tuple[str, ...]
    sectors: tuple[tuple[str, str], ...]
    """Name and label of each sector that has a chain, a counter or an auxiliary, in the order of the file."""
    home: Mapping[str, str]
    """By variable, the sector it is shown in."""


def plumbing(model: Model, *, whole: bool = False) -> Plumbing:
    """The plumbing of a model; with `whole` counters are stocks like others."""
    graph = causes(model)
    counted = counters(model, graph)
    flows = _flows(model, counted, whole)
    counted = () if whole else counted
    chains = _chains(model, flows, set(counted))
    home = {variable.name: variable.group or "" for variable in model}
    for chain in chains:
        home.update(dict.fromkeys(chain.stocks, chain.home))
        home.update(dict.fromkeys((flow.name for flow in chain.flows), chain.home))
    labels = {**dict(model.groups), "": model.name if not model.groups else "other"}
    present = {home[variable.name] for variable in model if variable.role is not Role.LOOKUP}
    order = [*dict.fromkeys(name for name, _ in model.groups), *sorted(present - {name for name, _ in model.groups})]
    sectors = tuple((name, labels.get(name, name)) for name in order if name in present)
    return Plumbing(tuple(chains), counted, sectors, home)


def counters(model: Model, graph: Causes) -> tuple[str, ...]:
    """The stocks without outflow that act on no stock but such ones: they count, and nothing reads them back."""
    forward = uses(graph)
    stocks = {name for name, variable in model.variables.items() if variable.role is Role.STOCK}
    open_ended = {name for name in stocks if not model.variables[name].outflows}
    reach = {name: _stocks_after(name, forward, stocks) for name in open_ended}
    found: set[str] = set()
    while True:
        more = {name for name in open_ended - found if reach[name] <= found}
        if not more:
            return tuple(name for name in model.variables if name in found)
        found |= more


def _stocks_after(name: str, forward: Causes, stocks: Iterable[str]) -> set[str]:
    """The stocks that a stock acts on, through whatever but stocks."""
    found: set[str] = set()
    seen: set[str] = set()
    stack = [name]
    while stack:
        for user in forward[stack.pop()]:
            if user in seen:
                continue
            seen.add(user)
            if user in stocks:
                found.add(user)
            else:
                stack.append(user)
    return found


def _flows(model: Model, counted: tuple[str, ...], whole: bool) -> list[Flow]:
    """Each flow once: of several stocks it leaves or enters the first that is no counter."""
    source: dict[str, str] = {}
    sink: dict[str, str] = {}
    stocks = [variable for variable in model if variable.role is Role.STOCK]
    first = [variable for variable in stocks if variable.name not in counted]
    for variable in [*first, *(item for item in stocks if item.name in counted)] if whole else first:
        for name in variable.outflows:
            source.setdefault(name, variable.name)
        for name in variable.inflows:
            sink.setdefault(name, variable.name)
    names = [name for name in model.variables if name in source or name in sink]
    return [Flow(name, source.get(name, ""), sink.get(name, "")) for name in names]


def _chains(model: Model, flows: list[Flow], counted: set[str]) -> list[Chain]:
    stocks = [variable.name for variable in model if variable.role is Role.STOCK and variable.name not in counted]
    root = {name: name for name in stocks}

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for flow in flows:
        if flow.source and flow.sink:
            root[top(flow.sink)] = top(flow.source)
    members: dict[str, list[str]] = {}
    for name in stocks:
        members.setdefault(top(name), []).append(name)
    found = []
    for chain in members.values():
        inside = set(chain)
        own = tuple(flow for flow in flows if (flow.source or flow.sink) in inside)
        groups = Counter(model.variables[name].group or "" for name in chain)
        most = max(groups.values())
        home = next(group for group in (model.variables[name].group or "" for name in chain) if groups[group] == most)
        found.append(Chain(tuple(chain), own, home))
    return found


def columns(chain: Chain) -> tuple[dict[str, int], frozenset[str]]:
    """The column of each stock, and the flows that lead back: depth first in the order of the file from the stocks that are fed
    from outside, then by the longest path; a stock without inflow from a stock stands beside the first that it feeds."""
    fed = {flow.sink for flow in chain.flows if flow.sink and not flow.source}
    starts = [name for name in chain.stocks if name in fed] + [name for name in chain.stocks if name not in fed]
    out: dict[str, list[Flow]] = {name: [] for name in chain.stocks}
    for flow in chain.flows:
        if flow.source and flow.sink:
            out[flow.source].append(flow)
    order = {name: at for at, name in enumerate(chain.stocks)}
    back: set[str] = set()
    state: dict[str, int] = {}
    for start in starts:
        if start in state:
            continue
        work = [(start, iter(sorted(out[start], key=lambda flow: order[flow.sink])))]
        state[start] = 1
        while work:
            node, rest = work[-1]
            step = next(rest, None)
            if step is None:
                state[node] = 2
                work.pop()
            elif state.get(step.sink) == 1:
                back.add(step.name)
            elif step.sink not in state:
                state[step.sink] = 1
                work.append((step.sink, iter(sorted(out[step.sink], key=lambda item: order[item.sink]))))
    column = dict.fromkeys(chain.stocks, 0)
    for _ in chain.stocks:
        for node in chain.stocks:
            for flow in out[node]:
                if flow.name not in back:
                    column[flow.sink] = max(column[flow.sink], column[node] + 1)
    entered = {flow.sink for flow in chain.flows if flow.source and flow.sink and flow.name not in back}
    for node in chain.stocks:
        ahead = [column[flow.sink] - 1 for flow in out[node] if flow.name not in back]
        if node not in entered and ahead:
            column[node] = max(0, min(ahead))
    return column, frozenset(back)
