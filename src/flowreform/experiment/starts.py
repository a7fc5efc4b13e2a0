"""Whether the counts that an experiment enters go together: `[starts]` of the case, worked out at the start of each scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from flowreform.case.tables import Case, StartRule
from flowreform.constants import evaluate, nothing
from flowreform.errors import Finding, error
from flowreform.experiment.settings import Points, Scenario, Setting
from flowreform.model import Expr, LookupKind, Model, Ref, Role
from flowreform.names import equation_of, join, split
from flowreform.text import number


def contradictions(model: Model, case: Case | None, scenarios: Mapping[str, Scenario], start: float) -> Iterator[Finding]:
    """A finding for each rule that a scenario's start breaks, each rule once: what is wrong, and the counts with their values.

    Numbers are those of the scenario, else of the model; nothing is drawn. A scenario that sets nothing a rule reads is that of
    the model."""
    if case is None or not case.starts or model.specs.start != start:
        return
    base = Start(model, {})
    broken: dict[str, Finding] = {}
    for name, rule in case.starts.items():
        came = base.left_over(rule)
        for scenario in scenarios.values():
            given = _given(scenario.settings, start)
            now = base if base.read.isdisjoint(split(text)[0] for text in given) else Start(model, given)
            value = came if now is base else now.left_over(rule)
            least = max(rule.at_least, rule.steps * model.specs.dt)
            if value is not None and value < least and name not in broken:
                broken[name] = _fault(model, scenario, rule, now, value, least)
    yield from broken.values()


def _given(settings: Mapping[str, Setting], start: float) -> dict[str, float]:
    return {name: float(item.at(np.array([start]))[0]) if isinstance(item, Points) else item for name, item in settings.items()}


def _fault(model: Model, scenario: Scenario, rule: StartRule, start: Start, value: float, least: float) -> Finding:
    counts = ", ".join(f"{text} {number(found)}" for text in rule.counts if (found := start.of_text(text)) is not None)
    unit = model.variables[split(rule.add[0])[0]].units or ""
    short = f"{number(value)} {unit} is left where at least {number(least)} is needed"
    repair = "count again what does not fit" if not rule.steps else "count again what does not fit, or take a smaller dt"
    return error("start", f"{rule.reason}: {counts}; {short}", repair, file=model.file, element=f"scenario {scenario.name}")


class Start:
    """Values of a model at its start, for some settings; `read` collects the parameters that were asked for.

    Stocks stand at their initial values. A delay, or anything that reads the time, has no value here (None)."""

    def __init__(self, model: Model, given: Mapping[str, float]) -> None:
        self.model, self.given = model, given
        self.read: set[str] = set()
        self._known: dict[tuple[str, tuple[str, ...]], float | None] = {}

    def left_over(self, rule: StartRule) -> float | None:
        """What a rule adds, less what it takes off; None where a part has no value here."""
        values = [self.of_text(text) for text in (*rule.add, *rule.less)]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return sum(known[: len(rule.add)]) - sum(known[len(rule.add) :])

    def of_text(self, text: str) -> float | None:
        """The value of a variable, or of an element, by name."""
        return self.of(*split(text))

    def of(self, base: str, elements: tuple[str, ...]) -> float | None:
        """The value of a variable at these elements."""
        key = (base, elements)
        if key not in self._known:
            self._known[key] = None  # a circle has no value
            self._known[key] = self._worked_out(base, elements)
        return self._known[key]

    def _worked_out(self, base: str, elements: tuple[str, ...]) -> float | None:
        variable = self.model.variables.get(base)
        if variable is None or len(elements) != len(variable.dimensions):
            return None
        if variable.role is Role.PARAMETER:
            self.read.add(base)
            given = self.given.get(join(base, elements), self.given.get(base))
            if given is not None:
                return given
        equation = equation_of(self.model, variable, elements)
        if equation is None or equation.expr is None:
            return None
        here = dict(zip(variable.dimensions, elements, strict=True))
        value = evaluate(equation.expr, self._reader(here), nothing)
        if equation.lookup is None or value is None:
            return value
        continuous = equation.lookup.kind is LookupKind.CONTINUOUS
        return float(np.interp(value, equation.lookup.x, equation.lookup.y)) if continuous else None

    def _reader(self, here: Mapping[str, str]) -> Callable[[Ref], float | None]:
        def value_of(ref: Ref) -> float | None:
            target = self.model.variables.get(ref.name)
            if target is None:
                return None
            names = [_element(part) for part in ref.subscripts] or list(target.dimensions)
            return self.of(ref.name, tuple(here.get(name, name) for name in names))

        return value_of


def _element(part: Expr) -> str:
    return part.name if isinstance(part, Ref) else ""
