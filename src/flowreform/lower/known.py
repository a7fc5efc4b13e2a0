"""Numbers that are known before a run: what fixes a model's structure (orders of delays) must be one of these."""

from __future__ import annotations

from collections.abc import Collection

from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.constants import evaluate
from flowreform.model import Call, Expr, Model, Ref, Role, SimSpecs, walk

DEEPEST = 50


def clock(specs: SimSpecs) -> dict[str, float]:
    """The names that stand for a number of the simulation's own settings."""
    return {
        "dt": specs.dt,
        "time_step": specs.dt,
        "starttime": specs.start,
        "initial_time": specs.start,
        "stoptime": specs.stop,
        "final_time": specs.stop,
        "saveper": specs.save_every or specs.dt,
    }


def known(model: Model, expr: Expr | None) -> float | None:
    """The value of an expression at the start time if it follows from literals and parameters alone, else None.

    Scalars only; stocks, lookups and functions with a memory are not known, nor is what stands too deep."""
    return _Values(model).of(expr)


class _Values:
    """What one question has worked out: each variable once, however often it is read."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.values: dict[str, float | None] = {}
        self.depth = 0

    def of(self, expr: Expr | None) -> float | None:
        if expr is None or self.depth > DEEPEST:
            return None
        self.depth += 1
        value = evaluate(expr, self._reference, self._called)
        self.depth -= 1
        return value

    def _reference(self, ref: Ref) -> float | None:
        if ref.subscripts:
            return None
        if ref.name not in self.values:
            self.values[ref.name] = None  # a circle is not known
            self.values[ref.name] = self._named(ref.name)
        return self.values[ref.name]

    def _named(self, name: str) -> float | None:
        variable = self.model.variables.get(name)
        if variable is not None:
            plain = not variable.dimensions and len(variable.equations) == 1 and variable.equations[0].lookup is None
            moving = variable.role in ("stock", "lookup")
            return self.of(variable.equations[0].expr) if plain and not moving else None
        return self.model.specs.start if name == "time" else clock(self.model.specs).get(name)

    def _called(self, function: str, numbers: list[float]) -> float | None:
        row = builtins.find(function)
        if row is None or row.name != "step" or row.python is None or not row.takes(len(numbers)):
            return None
        return row.python(self.model.specs.start, self.model.specs.dt, *numbers)


def is_fixed(model: Model, expr: Expr, timed: Collection[str] = ()) -> bool:
    """Whether an expression has one value throughout a run: literals, parameters and plain functions of them.

    `timed` names parameters that vary over time."""
    waiting: list[Expr] = [expr]
    seen: set[str] = set()
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, Ref):
                variable = model.variables.get(part.name)
                if (variable is None and part.name in ("time", "self")) or part.name in timed:
                    return False
                if variable is None or variable.role is Role.PARAMETER or variable.name in seen:
                    continue
                if variable.role not in (Role.AUXILIARY, Role.FLOW):
                    return False
                seen.add(variable.name)
                waiting.extend(equation.expr for equation in variable.equations if equation.expr is not None)
            elif isinstance(part, Call):
                row = builtins.find(part.function)
                if row is None or row.kind in (Kind.TIMED, Kind.STATE, Kind.RANDOM) or row.name in ("time", "get_time_value"):
                    return False
    return True
