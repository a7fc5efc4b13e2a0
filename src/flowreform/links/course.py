"""One run of a program, every slot at every step, and what an expression is along it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flowreform import engine
from flowreform.arithmetic import divide
from flowreform.builtins import BUILTINS
from flowreform.engine import helpers
from flowreform.errors import ModelError, error
from flowreform.lower.order import reads
from flowreform.model import Method, Model
from flowreform.names import element_names
from flowreform.program import (
    Assign,
    Code,
    Const,
    Drive,
    LookupRead,
    Now,
    Op,
    Ordinal,
    Past,
    Program,
    Read,
    Reduce,
    Vector,
    bind,
    walk,
)

if TYPE_CHECKING:
    import numpy as np

Values = Callable[[int], "np.ndarray"]
"""The values of a slot at the steps that are looked at, float64[step]."""


@dataclass(frozen=True, eq=False)
class Course:
    """One run: `values` float64[slot, step], `times` float64[step], and the assignments of each step, element by element.

    `after` are those whose value is that of the next step: what is remembered."""

    program: Program
    values: np.ndarray
    times: np.ndarray
    drive: np.ndarray | None = None

    @cached_property
    def within(self) -> dict[int, Assign]:
        """By slot, what works it out within a step."""
        return {part.target.base: part for statement in self.program.step for part in statement.unrolled()}

    @cached_property
    def after(self) -> dict[int, Assign]:
        """By slot, what works out the value that it has one step later."""
        return {part.target.base: part for statement in self.program.memory for part in statement.unrolled()}

    @cached_property
    def rates(self) -> dict[int, Assign]:
        """By slot of a stock, its rate of change."""
        found = {}
        for stock in self.program.stocks:
            for part in Assign(stock.name, stock.target, stock.loops, stock.rate).unrolled():
                found[part.target.base] = part
        return found

    @cached_property
    def links(self) -> dict[int, tuple[int, ...]]:
        """By slot, the slots that it acts on, in order of slots: every slot is a key."""
        found: dict[int, list[int]] = {slot: [] for slot in range(self.program.slots)}
        for target in sorted(self.sources):
            for source in self.sources[target]:
                found[source].append(target)
        return {slot: tuple(targets) for slot, targets in found.items()}

    @cached_property
    def sources(self) -> dict[int, tuple[int, ...]]:
        """By slot, the slots that act on it, in order of slots."""
        found: dict[int, tuple[int, ...]] = {}
        for table in (self.within, self.after, self.rates):
            for slot, part in table.items():
                past = {self.program.remembered[item.number] for item in walk(part.code) if isinstance(item, Past)}
                found[slot] = tuple(sorted(reads(part) | past))
        return found

    def evaluate(self, code: Code, steps: np.ndarray, values: Values) -> np.ndarray:
        """An expression at the given steps, with the slots as `values` gives them, float64[step]."""
        return _Evaluation(self, steps, values).of(code)


def course(program: Program, inputs: np.ndarray, drive: np.ndarray | None = None) -> Course:
    """Run a program once with its inputs, float64[input slot, 1], and its levers over time, and keep everything."""
    import numpy as np

    found = engine.simulate(program, inputs, drive, keep=range(program.slots), every=1, engine="python")
    values = np.empty((program.slots, len(found.times)))
    values[list(found.slots)] = found.values[:, :, 0]
    return Course(program, values, np.array(found.times), drive)


def course_of_each(program: Program, inputs: np.ndarray) -> Iterator[Course]:
    """Run a program for each column of its inputs, float64[input slot, run], and keep everything."""
    import numpy as np

    found = engine.simulate(program, inputs, keep=range(program.slots), every=1)
    for run in range(inputs.shape[1]):
        values = np.empty((program.slots, len(found.times)))
        values[list(found.slots)] = found.values[:, :, run]
        yield Course(program, values, np.array(found.times))


def slot_names(program: Program, model: Model) -> tuple[str, ...]:
    """By slot the variable, or the element of one, that it is; a hidden slot has the name of the variable it serves."""
    found = list(program.owners)
    for place in program.places.values():
        for slot, name in zip(place.slots, element_names(model, model.variables[place.name]), strict=True):
            found[slot] = name
    return tuple(found)


def euler(program: Program) -> Program:
    """The same program stepped by Euler's method, on whose steps the scores are defined.

    Raises ModelError for one that draws random numbers: what is due to which link cannot be told from them."""
    if program.noises:
        reason = "it draws random numbers at every step, and links are not told apart in what they make"
        raise ModelError(error("noise", reason, "take the random functions out, or read it without a noise seed"))
    return program if program.method is Method.EULER else replace(program, method=Method.EULER)


_COMPARE = {"=": "equal", "<>": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}
_PLAIN = {"+": "add", "-": "subtract", "*": "multiply"}


class _Evaluation:
    """An expression over many steps at once; the arithmetic is that of `arithmetic`, value by value where numpy's differs."""

    def __init__(self, course: Course, steps: np.ndarray, values: Values) -> None:
        import numpy as np

        self.np: Any = np
        self.course, self.steps, self.values = course, steps, values
        self.program = course.program

    def of(self, code: Code) -> np.ndarray:
        np = self.np
        with np.errstate(all="ignore"):
            return np.broadcast_to(self._of(code), self.steps.shape)  # type: ignore[no-any-return]

    def _of(self, code: Code) -> Any:
        np = self.np
        match code:
            case Const(value):
                return np.float64(value)
            case Now():
                return self.course.times[self.steps]
            case Ordinal(base, _):
                return np.float64(base + 1)
            case Read(base, _, ()):
                return self.values(base)
            case Read():
                return self._picked(code)
            case Drive(number, later):
                series = self.course.drive
                return np.float64(np.nan) if series is None else series[number][2 * self.steps + later]
            case LookupRead(table, x, _):
                return self._lookup(table, self._of(x))
            case Reduce(op, loop, size, body):
                parts = [self._of(bind(body, loop, i)) for i in range(size)]
                total = parts[0]
                for part in parts[1:]:
                    total = self._fold(op, total, part)
                return total
            case Past(number, lag, before, _):
                return self._past(number, self._of(lag), self._of(before))
            case Vector():
                return self._vector(code)
            case Op(name, args):
                return self._operate(name, args)

    def _fold(self, op: str, a: Any, b: Any) -> Any:
        names = {**_PLAIN, "min": "minimum", "max": "maximum"}
        return getattr(self.np, names[op])(a, b)

    def _operate(self, name: str, args: tuple[Code, ...]) -> Any:
        np = self.np
        values = [self._of(arg) for arg in args]
        if name in _PLAIN:
            return getattr(np, _PLAIN[name])(*values)
        if name in _COMPARE:
            return getattr(np, _COMPARE[name])(*values).astype(float)
        match name:
            case "/":
                return np.divide(*values)
            case "neg":
                return -values[0]
            case "square":
                return values[0] * values[0]
            case "if":
                return np.where(values[0] != 0.0, values[1], values[2])
            case "and":
                return ((values[0] != 0.0) & (values[1] != 0.0)).astype(float)
            case "or":
                return ((values[0] != 0.0) | (values[1] != 0.0)).astype(float)
            case "not":
                return (values[0] == 0.0).astype(float)
            case "min":
                return np.minimum(*values)
            case "max":
                return np.maximum(*values)
        row = BUILTINS[name]
        assert row.python is not None, name
        clock = {"t": self.course.times[self.steps], "begun": self.course.times[self.steps], "dt": self.program.dt}
        given = [clock[word] for word in row.clock]
        found = np.frompyfunc(row.python, len(given) + len(values), 1)(*given, *values)
        return np.asarray(found, dtype=float)

    def _picked(self, read: Read) -> Any:
        np = self.np
        offset, inside = np.zeros(self.steps.shape, dtype=int), np.ones(self.steps.shape, dtype=bool)
        for pick in read.picks:
            index = np.broadcast_to(self._of(pick.index), self.steps.shape)
            inside &= (index >= 1.0) & (index < pick.size + 1.0)
            offset = offset + pick.stride * np.clip(np.nan_to_num(index).astype(int) - 1, 0, pick.size - 1)
        found = np.zeros(self.steps.shape)
        for shift in np.unique(offset[inside]).tolist():
            here = inside & (offset == shift)
            found[here] = np.broadcast_to(self.values(read.base + shift), self.steps.shape)[here]
        return found

    def _lookup(self, number: int, x: Any) -> Any:
        table = self.program.tables[number]
        kinds = {"continuous": 0, "extrapolate": 1, "discrete": 2}
        steep = [divide(b - a, d - c) for a, b, c, d in zip(table.y, table.y[1:], table.x, table.x[1:], strict=False)]
        points = (table.x, table.y, (*steep, 0.0), (0,), (len(table.x),), (kinds[str(table.kind)],), 0)
        return self.np.asarray(self.np.frompyfunc(lambda value: helpers.look(*points, value), 1, 1)(x), dtype=float)

    def _past(self, number: int, lag: Any, before: Any) -> Any:
        np = self.np
        slot = self.program.remembered[number]
        lag = np.broadcast_to(lag, self.steps.shape)
        old = (lag <= self.steps) & (lag >= 1.0)
        at = np.where(old, self.steps - np.where(old, lag, 0.0).astype(int), 0)
        return np.where(old, self.course.values[slot][at], before)

    def _vector(self, code: Vector) -> Any:
        np = self.np
        helper = getattr(helpers, code.name)
        args = [np.broadcast_to(self._of(arg), self.steps.shape) for arg in code.args]
        where: list[int] = []
        for array in code.arrays:
            where.append(array.base)
            where.extend(pick.stride for pick in array.picks)
        slots = sorted({slot for array in code.arrays for slot in _covered(array)})
        columns: Mapping[int, Any] = {slot: np.broadcast_to(self.values(slot), self.steps.shape) for slot in slots}
        found = np.empty(self.steps.shape)
        for i in range(len(self.steps)):
            state = {slot: float(column[i]) for slot, column in columns.items()}
            found[i] = helper(state, code.size, *where, *(float(arg[i]) for arg in args))
        return found


def _covered(array: Read) -> list[int]:
    slots = [array.base]
    for pick in array.picks:
        slots = [slot + i * pick.stride for slot in slots for i in range(pick.size)]
    return slots
