"""`fr.loops`: the scores of feedback loops along a run, and which of them lead when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowreform.analyse.dominance.regimes import Regime, When, regimes
from flowreform.analyse.dominance.search import every_loop, strongest
from flowreform.batch import drive_of, matrix_of, timed_in, within_horizon
from flowreform.calendar import Calendar
from flowreform.errors import ExperimentError, ModelError, did_you_mean, error
from flowreform.experiment import Experiment, Subject, as_experiment, with_settings
from flowreform.experiment.settings import Scenario, Setting
from flowreform.links.claims import Claimed, claimed
from flowreform.links.course import Course, course, euler, slot_names
from flowreform.links.scores import scores
from flowreform.links.ways import Path, feedback, spoken
from flowreform.lower import lower
from flowreform.model import Model, Role
from flowreform.names import Unknown, find, split
from flowreform.text import Manual, Shown, columns, number

if TYPE_CHECKING:
    import numpy as np

MOST = 1_000
"""So many loops of a group are all counted; where there are more, the strongest are looked for."""
MOMENTS = 24
"""Moments of a run at which the strongest loops are looked for."""
SHOWN = 400
"""Moments at which scores are kept, at most."""
TABLED = 12
"""So many loops are listed, beside those that the case names."""
LEAST = 0.001
"""A loop that never has this share of all scores is left out (as in Eberlein and Schoenberg 2020)."""


@dataclass(frozen=True, eq=False)
class FeedbackLoop:
    """A feedback loop and its part over time.

    `path` are its variables in order; loops that differ only in elements of arrays are one, with their scores added up.
    `scores` float64[time] are the products of its link scores, `shares` float64[time] the score
    over the sum of the sizes of all scores: plus for reinforcing, minus for balancing, between -1 and 1. `declared` is the name
    it has in [loops] of the case, `label` what it is called there."""

    name: str
    path: tuple[str, ...]
    kind: str
    scores: np.ndarray = field(repr=False)
    shares: np.ndarray = field(repr=False)
    group: int = 0
    declared: str = ""
    label: str = ""
    short: str = ""

    @property
    def share(self) -> float:
        """The mean size of its share over the moments at which anything moves."""
        return _mean(self.shares)

    @property
    def title(self) -> str:
        """What it is called: the label of the case, or its variables; of a long loop its stocks."""
        return self.label or self.short

    def __str__(self) -> str:
        return f"{self.name}, {self.kind}: {' -> '.join((*self.path, self.path[0]))}"


def _mean(shares: np.ndarray) -> float:
    import numpy as np

    return float(np.abs(shares).mean()) if len(shares) else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Loops(Manual):
    """The loops of a model, or those through one stock, the strongest first; `regimes` says which leads from when to when.

    `times` are the moments of the scores, in the model's time unit, `method` how the loops were found, `groups` the stocks of
    each group of stocks that act on each other: shares are of the loops of one group."""

    model: Model
    stock: str
    scenario: str
    times: np.ndarray
    loops: tuple[FeedbackLoop, ...]
    regimes: tuple[Regime, ...]
    method: str
    complete: bool
    groups: tuple[tuple[str, ...], ...]

    def __getitem__(self, name: str) -> FeedbackLoop:
        """The loop of that name: R1, B2, or its name in [loops] of the case. Raises KeyError."""
        for loop in self.loops:
            if name in (loop.name, loop.declared):
                return loop
        raise KeyError(name)

    def __iter__(self) -> Iterator[FeedbackLoop]:
        return iter(self.loops)

    def __len__(self) -> int:
        return len(self.loops)

    def sentences(self) -> tuple[str, ...]:
        """A sentence for each regime: from when to when, what the stock does, and which loop leads."""
        return tuple(regime.sentence for regime in self.regimes)

    def manual(self) -> Iterator[Shown]:
        """How the loops were found, the sentences, and the strongest loops."""
        what = f"loops through {self.stock}" if self.stock else "loops"
        yield f"{self.model.name}{f', {self.scenario}' if self.scenario else ''}: {what}"
        yield self.method
        yield ""
        yield from self.sentences()
        yield ""
        shown = [loop for at, loop in enumerate(self.loops) if at < TABLED or loop.declared]
        rows = [
            (loop.name, loop.kind, _percent(loop.share), loop.label, " -> ".join((*loop.path, loop.path[0]))) for loop in shown
        ]
        more = f" ({len(rows)} of {len(self.loops)})" if len(self.loops) > len(rows) else ""
        yield columns(f"Loops{more}", ("loop", "kind", "mean share", "called", "goes through"), rows, right=(2,))
        yield from self._apart()

    def _apart(self) -> Iterator[str]:
        """What is said of groups that have no part in the largest one."""
        apart = self.groups[1:]
        if apart and not self.stock:
            names = [name for group in apart for name in group]
            few = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
            yield f"Apart from these, {few} have loops of their own, which act on nothing here: name the stock to see them."

    def as_dict(self) -> dict[str, Any]:
        """Everything for scripts: scores and shares at every moment."""
        return {
            "model": self.model.name,
            "stock": self.stock or None,
            "scenario": self.scenario or None,
            "method": self.method,
            "complete": self.complete,
            "times": self.times.tolist(),
            "groups": [list(group) for group in self.groups],
            "regimes": [regime.as_dict() for regime in self.regimes],
            "loops": [
                {
                    "name": loop.name,
                    "kind": loop.kind,
                    "path": list(loop.path),
                    "group": loop.group,
                    "declared": loop.declared or None,
                    "label": loop.label or None,
                    "share": loop.share,
                    "scores": loop.scores.tolist(),
                    "shares": loop.shares.tolist(),
                }
                for loop in self.loops
            ],
        }


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"


def loops(
    subject: Subject,
    stock: str = "",
    *,
    scenario: str = "",
    settings: Mapping[str, Setting | str] | None = None,
) -> Loops:
    """Which feedback loops drive a model, or one stock of it, and when: Loops That Matter along one run.

    `subject` is a model or an experiment. `stock` restricts the answer to the loops through one stock (`"beds[acute]"` for one
    element). `scenario` is a scenario of the experiment (its baseline when missing) or a gate of the model's case; `settings`
    sets parameters on top. Runs with the base values of all parameters, by Euler's method. A loop's score is the product of its
    link scores (Schoenberg, Davidsen and Eberlein 2020; flow-to-stock scores of Schoenberg, Hayward and Eberlein 2023). Where
    the loops are too many to count, the strongest paths are followed at 24 moments (Eberlein and Schoenberg 2020), and `method`
    says so. Raises ModelError and ExperimentError for names that there are not, and for a run that fails::

        found = fr.loops("care_shift", "improvers", scenario="build_first")
        print(*found.sentences(), sep="\\n")
        found.loops[0].shares
    """
    experiment = as_experiment(subject)
    run, words = _scenario(experiment, scenario, settings)
    model = within_horizon(experiment)
    along = _course(model, run)
    names = slot_names(along.program, model)
    wanted = _wanted(model, along, stock)
    known = claimed(experiment.case, model, along) if experiment.case else ()
    calendar = experiment.case.calendar if experiment.case else None
    return _Search(model, along, names, wanted, known, calendar).found(stock and _canonical(model, stock), words)


def _canonical(model: Model, stock: str) -> str:
    named = find(model, stock)
    return stock if isinstance(named, Unknown) else named.name


def _scenario(experiment: Experiment, scenario: str, settings: Mapping[str, Setting | str] | None) -> tuple[Scenario, str]:
    """What is set, and the word for it."""
    case = experiment.case
    gates = case.gates if case else {}
    given = settings or {}
    if scenario in gates and scenario not in experiment.scenarios:
        given = {**gates[scenario].settings, **given}
    elif scenario and scenario not in experiment.scenarios:
        known = [*experiment.scenarios, *gates]
        hint = did_you_mean(scenario, known) or (f"there are {', '.join(known)}" if known else "leave it out")
        reason = "there is no such scenario, nor a gate of the model's case"
        raise ExperimentError(error("unknown-scenario", reason, hint, file=experiment.model.file, element=scenario))
    if given:
        experiment = with_settings(experiment, dict(given))
    chosen = scenario if scenario in experiment.scenarios else experiment.baseline or next(iter(experiment.scenarios))
    words = scenario or (chosen if len(experiment.scenarios) > 1 else "")
    return experiment.scenarios[chosen], words


def _course(model: Model, run: Scenario) -> Course:
    """The run that is looked at. Raises ExperimentError where it fails."""
    import numpy as np

    program = euler(lower(model, timed_in((run,))))
    inputs = matrix_of(program, model, run.over({}, 1), 1)
    along = course(program, inputs, drive_of(program, model, run.moving))
    stocks = list(along.rates)
    if not np.isfinite(along.values[stocks]).all():
        bad = next(slot for slot in stocks if not np.isfinite(along.values[slot]).all())
        reason = "the run turns infinite or NaN, so that nothing can be said of its loops"
        raise ExperimentError(
            error("failed", reason, "run it and see where it fails", file=model.file, element=program.owners[bad])
        )
    return along


def _wanted(model: Model, along: Course, stock: str) -> frozenset[int]:
    """The slots of a stock, all of its elements where none is named. Raises ModelError where it is no stock of the model."""
    if not stock:
        return frozenset()
    named = find(model, stock)
    if isinstance(named, Unknown):
        raise ModelError(error("unknown-variable", named.reason, named.repair, file=model.file, element=stock))
    if named.variable.role is not Role.STOCK:
        hint = did_you_mean(named.name, model.stocks) or f"`flowreform show {model.name}` lists the stocks"
        reason = f"this is a{'n' * (named.variable.role is Role.AUXILIARY)} {named.variable.role}, not a stock"
        raise ModelError(error("no-stock", reason, hint, file=model.file, line=named.variable.line, element=stock))
    names = slot_names(along.program, model)
    place = along.program.places[named.variable.name]
    return frozenset(slot for slot in place.slots if not named.elements or names[slot] == named.name)


class _Search:
    """The loops of one run."""

    def __init__(
        self,
        model: Model,
        along: Course,
        names: Sequence[str],
        wanted: frozenset[int],
        known: Sequence[Claimed],
        calendar: Calendar | None,
    ) -> None:
        import numpy as np

        self.model, self.along, self.names, self.wanted, self.known = model, along, names, wanted, known
        self.words = tuple(split(name)[0] for name in names)
        self.order = {name: (variable.role is not Role.STOCK, at) for at, (name, variable) in enumerate(model.variables.items())}
        self.when = When(calendar, model.specs.time_unit)
        self.groups = feedback(along.links)
        told = [group for group in self.groups if self._tells(group)]
        self.looked = [group for group in told if group & wanted] if wanted else told[:1]
        self.told = told
        inside = [(a, b) for group in self.looked for a in sorted(group) for b in along.links[a] if b in group]
        self.scores = scores(along, inside).by_link
        program = along.program
        every = max(1, round(program.save_every / program.dt))
        every = max(every, -(-program.steps // SHOWN))
        self.steps = np.arange(0, program.steps + 1, every)
        self.counted, self.too_many = 0, 0

    def found(self, stock: str, scenario: str) -> Loops:
        """Every loop that has a part, named and in order."""
        groups = self.looked
        rows: list[FeedbackLoop] = []
        for at, group in enumerate(groups, 1):
            rows += self._group(at, group)
        if self.wanted and len(groups) > 1:  # elements of an arrayed stock in groups of their own: each counts alike
            rows = [_over(row, len(groups)) for row in rows]
        rows.sort(key=lambda row: (-round(row.share, 12), row.path))
        rows = _named(rows)
        times = self.along.times[self.steps]
        return Loops(
            self.model, stock, scenario, times, tuple(rows), regimes(self.when, stock, self._behaviour(), times, rows),
            self._method(groups), not self.too_many, tuple(map(self._stocks, groups if self.wanted else self.told)),
        )  # fmt: skip

    def _behaviour(self) -> np.ndarray | None:
        """What the stock does, all of its elements together."""
        return self.along.values[sorted(self.wanted)][:, self.steps].sum(axis=0) if self.wanted else None

    def _tells(self, group: frozenset[int]) -> bool:
        """Whether a group is more than the inside of one delay or smooth."""
        return len({self.names[slot] for slot in group}) > 1

    def _stocks(self, group: frozenset[int]) -> tuple[str, ...]:
        stocks = (self.names[slot] for slot in sorted(group) if slot in self.along.rates)
        return tuple(dict.fromkeys(name for name in stocks if self.model.variables[split(name)[0]].role is Role.STOCK))

    def _group(self, at: int, group: frozenset[int]) -> list[FeedbackLoop]:
        """The loops of one group with their shares of it."""
        import numpy as np

        paths = self._paths(group)
        declared = {claim.path: claim for claim in self.known if claim.path and group.issuperset(claim.path)}
        merged: dict[tuple[str, ...], np.ndarray] = {}
        labels: dict[tuple[str, ...], Claimed] = {}
        for path in sorted({*paths, *declared}):
            words = spoken(path, self.words)
            if len(words) < 2 or (self.wanted and not self.wanted.intersection(path)):
                continue
            words = self._from_stock(words)
            total = np.ones(len(self.steps))
            for a, b in zip(path, (*path[1:], path[0]), strict=True):
                total = total * self.scores[a, b][self.steps]
            merged[words] = merged[words] + total if words in merged else total
            if path in declared:
                labels[words] = declared[path]
        if not merged:
            return []
        table = np.stack(list(merged.values()))
        table = np.where(np.isfinite(table), table, 0.0)
        sums = np.abs(table).sum(axis=0)
        shares = np.divide(table, sums, out=np.zeros_like(table), where=sums > 0)
        rows = []
        for words, score, share in zip(merged, table, shares, strict=True):
            claim = labels.get(words)
            if claim is None and float(np.abs(share).max()) < LEAST:
                continue
            kind = _kind(share)
            rows.append(
                FeedbackLoop(
                    "",
                    words,
                    kind,
                    score,
                    share,
                    at,
                    claim.name if claim else "",
                    claim.label if claim else "",
                    self._short(words),
                )
            )
        return rows

    def _from_stock(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The loop from its first stock in the order of the file."""
        best = min(range(len(words)), key=lambda at: (*self.order[words[at]], at))
        return (*words[best:], *words[:best])

    def _short(self, words: tuple[str, ...]) -> str:
        """A loop in a few words: its variables, or its stocks where they are many."""
        stocks = [name for name in words if not self.order[name][0]]
        if len(words) <= 4 or not stocks:
            return " -> ".join((*words, words[0]))
        rest = f" and {len(stocks) - 4} more stock{'s' * (len(stocks) > 5)}" if len(stocks) > 4 else ""
        return f"through {', '.join(stocks[:4])}{rest}; {len(words)} variables"

    def _paths(self, group: frozenset[int]) -> set[Path]:
        import numpy as np

        graph = {slot: [other for other in self.along.links[slot] if other in group] for slot in sorted(group)}
        every = every_loop(graph, MOST)
        if every is not None:
            self.counted += len(every)
            return set(every)
        self.too_many += 1
        stocks = [slot for slot in sorted(group) if slot in self.along.rates]
        last = self.along.program.steps
        found: set[Path] = set()
        for step in np.unique(np.linspace(2, last, MOMENTS).round().astype(int)).tolist() if last >= 2 else []:
            weights: dict[int, list[tuple[int, float]]] = {}
            for slot, others in graph.items():
                sized = [(other, abs(float(self.scores[slot, other][step]))) for other in others]
                weights[slot] = [item for item in sized if item[1] > 0.0]
            found |= strongest(weights, stocks)
        return found

    def _method(self, groups: Sequence[frozenset[int]]) -> str:
        """How the loops were found, in a sentence or two."""
        if not groups:
            return "No feedback loop goes through it." if self.wanted else "The model has no feedback loop."
        if not self.too_many:
            return f"All {self.counted} loops were scored." if self.counted != 1 else "The one loop was scored."
        some = (
            f"More than {MOST:,} loops act on each other here, too many to count: the strongest paths were followed at {MOMENTS} "
        )
        return some + "moments of the run. A loop that is missing is weaker than, or a near relative of, one that is here."


def _over(row: FeedbackLoop, count: int) -> FeedbackLoop:
    from dataclasses import replace

    return replace(row, shares=row.shares / count)


def _kind(shares: np.ndarray) -> str:
    """What a loop does where it acts: reinforcing, balancing, or both in turn."""
    up, down = bool((shares > LEAST / 100).any()), bool((shares < -LEAST / 100).any())
    return "at rest" if not up and not down else "changing" if up and down else "reinforcing" if up else "balancing"


def _named(rows: list[FeedbackLoop]) -> list[FeedbackLoop]:
    """R, B or U (both in turn) and a number by strength, as in the literature."""
    from dataclasses import replace

    letters = {"reinforcing": "R", "balancing": "B", "changing": "U", "at rest": "Z"}
    count: dict[str, int] = {}
    found = []
    for row in rows:
        letter = letters[row.kind]
        count[letter] = count.get(letter, 0) + 1
        found.append(replace(row, name=f"{letter}{count[letter]}"))
    return found
