"""Units: what each equation comes to against what its variable says it is, and stocks against their flows.

A bare 0 fits any unit, and so does what has no units given (reported once, by another rule) or depends on it. Other numbers
have no dimension, except that a number that is a whole equation (a parameter, a stock's initial value) takes the unit declared.
After a fault the part it stands in fits anything, so that one fault is reported once. Macros have no units of their own and are
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from flowreform import builtins
from flowreform.builtins import Builtin, Kind
from flowreform.checks.subject import Line, finding, has_points, lines, sections, spell
from flowreform.errors import Finding, Level, error, one_line, warning
from flowreform.model import Binary, Call, Expr, Model, Number, Ref, Role, Unary, Variable, children
from flowreform.units import COUNTS, NUMBER, Unit, UnitError, ratio, reader

Terms = tuple[tuple[str, float], ...]
"""Letters and their exponents; nothing is a number."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The units of each argument and of the result; None is anything. The last argument repeats when `repeats`."""

    arguments: tuple[Terms | None, ...]
    result: Terms | None
    repeats: bool = False

    def argument(self, at: int) -> Terms | None:
        """What the argument at a place must be."""
        if at < len(self.arguments):
            return self.arguments[at]
        return self.arguments[-1] if self.repeats and self.arguments else None


@cache
def signature(row: Builtin) -> Signature:
    """The units of a built-in, as its record spells them."""
    return Signature(tuple(_terms(argument.unit) for argument in row.arguments), _terms(row.result), row.repeats)


def _terms(text: str) -> Terms | None:
    return None if "?" in text else tuple(_factors(text))


def _factors(text: str) -> Iterator[tuple[str, float]]:
    sign = 1.0
    for part in text.replace("*", " * ").replace("/", " / ").split():
        if part in ("*", "/"):
            sign = 1.0 if part == "*" else -1.0
            continue
        letter, _, power = part.partition("^")
        if letter != "1":
            yield letter, sign * float(power or 1.0)


@dataclass(frozen=True, slots=True)
class Misfit:
    """The argument at a place has another unit than it must."""

    at: int
    given: Unit
    wanted: Unit


def match(row: Signature, given: Sequence[Unit | None], time: Unit | None) -> tuple[Unit | None, tuple[Misfit, ...]]:
    """The unit of a call from those of its arguments (None: any), and the arguments that do not fit.

    A letter is bound by the first argument that says what it must be."""
    bound: dict[str, Unit] = {} if time is None else {"T": time}
    misfits = []
    for at, unit in enumerate(given):
        terms = row.argument(at)
        if terms is None or unit is None:
            continue
        wanted = _made(terms, bound)
        if wanted is None:
            _bind(terms, unit, bound)
        elif ratio(unit, wanted) != 1.0:
            misfits.append(Misfit(at, unit, wanted))
    return (None if row.result is None else _made(row.result, bound)), tuple(misfits)


def _made(terms: Terms, bound: Mapping[str, Unit]) -> Unit | None:
    if len(terms) == 1 and terms[0][1] == 1.0:
        return bound.get(terms[0][0])
    made = NUMBER
    for letter, power in terms:
        unit = bound.get(letter)
        if unit is None:
            return None
        made = made * unit**power
    return made


def _bind(terms: Terms, unit: Unit, bound: dict[str, Unit]) -> None:
    """Solve for the one letter of the terms that is not bound."""
    free = [(letter, power) for letter, power in terms if letter not in bound]
    if len(free) != 1:
        return
    letter, power = free[0]
    rest = _made(tuple(term for term in terms if term[0] != letter), bound)
    if rest is not None:
        bound[letter] = (unit / rest) ** (1.0 / power)


# --- units -----------------------------------------------------------------------------------------------------------


_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_ORDINALS = ("first", "second", "third", "fourth")


def units(model: Model) -> Iterator[Finding]:
    """Unit text that cannot be read, and every equation and stock whose two sides differ."""
    if not any(variable.units is not None for variable in model):
        return
    read = reader(model)
    broken = _own_units(model, read)
    declared, unreadable = _declared(model, read)
    told = {fault.reason for fault in broken}
    yield from (*broken, *(fault for fault in unreadable if fault.reason not in told))
    time, faults = _time(model, read)
    yield from faults
    section = next(iter(sections(model)))
    for line in lines(section):
        yield from _Equation(model, line, declared, time).check()
    if time is not None:
        for stock in model.stocks.values():
            yield from _stock(model, stock, declared, time)


# --- reading ---------------------------------------------------------------------------------------------------------


def _own_units(model: Model, read: Callable[[str], Unit]) -> list[Finding]:
    """Units that the model defines and that cannot be read."""
    faults = []
    for alias in model.unit_aliases:
        try:
            read(alias.name)
        except UnitError as fault:
            repair = "correct its equation in <model_units>"
            faults.append(error("bad-units", str(fault), repair, file=model.file, line=alias.line, element=alias.name))
    return faults


def _declared(model: Model, read: Callable[[str], Unit]) -> tuple[dict[str, Unit | None], list[Finding]]:
    declared: dict[str, Unit | None] = {}
    faults = []
    for variable in model:
        declared[variable.name] = None
        if variable.units is not None:
            try:
                declared[variable.name] = read(variable.units)
            except UnitError as fault:
                faults.append(
                    finding(model, variable, "bad-units", str(fault), "write units as in person/month or GBP/(bed*day)")
                )
    return declared, faults


def _time(model: Model, read: Callable[[str], Unit]) -> tuple[Unit | None, list[Finding]]:
    specs = model.specs
    where = {"file": model.file, "line": specs.line, "element": "sim_specs"}
    if not specs.time_unit.strip():
        reason = "the model has no time unit, so flows are not checked against stocks"
        return None, [warning("missing-units", reason, "give sim_specs time_units", **where)]  # type: ignore[arg-type]
    try:
        return read(specs.time_unit), []
    except UnitError as fault:
        return None, [error("bad-units", str(fault), "name the time unit as in month or year", **where)]  # type: ignore[arg-type]


# --- sides -----------------------------------------------------------------------------------------------------------


def _stock(model: Model, stock: Variable, declared: Mapping[str, Unit | None], time: Unit) -> Iterator[Finding]:
    """A flow times the time unit has the unit of its stock."""
    held = declared[stock.name]
    for name in (*stock.inflows, *stock.outflows):
        rate = declared.get(name)
        if held is None or rate is None or ratio(rate * time, held) == 1.0:
            continue
        side = "inflow" if name in stock.inflows else "outflow"
        reason = f"the stock is in {held} and its {side} {name} in {rate}, which must be {held / time}"
        yield finding(model, stock, "units", reason + _apart(rate * time, held), f"give {name} the units {held / time}")


def _apart(one: Unit, other: Unit) -> str:
    """The factor between two units of one dimension, or nothing."""
    factor = ratio(one, other)
    return "" if factor is None else f": the same quantity, but 1 {one} is {factor:.6g} {other}"


def _mend(one: Unit, other: Unit) -> str:
    """How a side in unit `one` comes to unit `other`."""
    factor = ratio(one, other)
    if factor is not None:
        step = other / one
        plain = not step.names or any(name in COUNTS for name, _ in step.names)
        return f"convert it with a parameter of {factor:.6g}{'' if plain else f' {step}'}"
    return f"a factor in {other / one} is missing, or one of the units is wrong"


# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Equation:
    """One expression whose unit is being worked out, and the faults found in it."""

    model: Model
    line: Line
    declared: Mapping[str, Unit | None]
    time: Unit | None
    faults: list[Finding] = field(default_factory=list)

    def check(self) -> list[Finding]:
        """The unit faults of the expression, and of the two sides of its equation."""
        line = self.line
        if _is_number(line.expr):
            return []
        found = self.unit(line.expr)
        wanted = self.declared[line.variable.name] if line.variable.leak is None else self._of_leak(line.variable)
        if line.equation.lookup is None and found is not None and wanted is not None and ratio(found, wanted) != 1.0:
            what = "its initial value" if line.starting or line.variable.role is Role.STOCK else "its equation"
            reason = f"it is in {wanted} and {what} {spell(line.expr)} comes to {found}{_apart(found, wanted)}"
            self._fault(reason, _mend(found, wanted))
        return self.faults

    def _of_leak(self, leak: Variable) -> Unit | None:
        """The equation of a leak is its fraction of what flows into the conveyor, or what it takes of the content a unit of
        time."""
        belts = (stock.conveyor for stock in self.model if leak.name in stock.outflows)
        exponential = any(belt is not None and belt.exponential_leak for belt in belts)
        if not exponential:
            return NUMBER
        return None if self.time is None else NUMBER / self.time

    def _fault(self, reason: str, repair: str, column: int = 0, level: Level = Level.ERROR) -> None:
        fault = self.line.finding(self.model, "units", one_line(reason), repair, column)
        self.faults.append(replace(fault, level=level))

    def unit(self, expr: Expr) -> Unit | None:
        """The unit of an expression, None for any; from the leaves up, without recursion."""
        done: list[Unit | None] = []
        work: list[tuple[Expr, bool]] = [(expr, False)]
        while work:
            part, ready = work.pop()
            inside = children(part)
            if inside and not ready:
                work.append((part, True))
                work.extend((child, False) for child in reversed(inside))
                continue
            first = len(done) - len(inside)
            given = done[first:]
            del done[first:]
            try:
                done.append(self._combined(part, given))
            except OverflowError:  # a power of a power of a unit: no number holds its size
                done.append(None)
        return done[0]

    def _combined(self, expr: Expr, given: list[Unit | None]) -> Unit | None:
        match expr:
            case Number(value):
                return None if value == 0.0 else NUMBER
            case Ref(name, _):
                return self._named(name)
            case Unary("not", operand):
                self._plain("NOT takes", operand, given[0])
                return NUMBER
            case Unary(_, _):
                return given[0]
            case Binary():
                return self._binary(expr, given[0], given[1])
            case Call():
                return self._call(expr, given)
            case _:
                return None

    def _named(self, name: str) -> Unit | None:
        if name in self.declared:
            return self.declared[name]
        row = builtins.find(name)
        if row is not None and row.kind is Kind.VALUE:
            return match(signature(row), (), self.time)[0]
        return NUMBER if name in self.model.dimensions else None

    def _binary(self, expr: Binary, one: Unit | None, other: Unit | None) -> Unit | None:
        op = expr.op
        if op in ("*", "/"):
            if one is None or other is None:
                return None
            return one * other if op == "*" else one / other
        if op == "^":
            return self._power(expr.left, expr.right, one, other)
        if op in ("and", "or"):
            self._plain(f"{op.upper()} takes", expr.left, one)
            self._plain(f"{op.upper()} takes", expr.right, other)
            return NUMBER
        both = one if one is not None else other
        if one is not None and other is not None and ratio(one, other) != 1.0:
            verb = {"+": "adds", "-": "subtracts", "mod": "takes the remainder of"}.get(op, "compares")
            shown = f"{one} ({spell(expr.left, 40)}) and {other} ({spell(expr.right, 40)})"
            self._fault(f"it {verb} {shown}{_apart(one, other)}", _alike(expr.left, expr.right, one, other))
            both = None
        return NUMBER if op in _COMPARISONS else both

    def _power(self, base: Expr, exponent: Expr, one: Unit | None, other: Unit | None) -> Unit | None:
        self._plain("an exponent is", exponent, other)
        if one is None or one.is_number:
            return one
        number = exponent.value if isinstance(exponent, Number) else None
        if isinstance(exponent, Unary) and exponent.op == "-" and isinstance(exponent.operand, Number):
            number = -exponent.operand.value
        if number is None:
            reason = f"{spell(base, 40)} is in {one} and is raised to a power that varies, so the result has no unit"
            self._fault(reason, "divide it by a reference value first")
            return None
        return one**number if abs(number) <= 50.0 else None

    def _plain(self, what: str, expr: Expr, unit: Unit | None) -> None:
        if unit is not None and not unit.is_number:
            self._fault(f"{what} a number without a unit, and {spell(expr, 40)} is in {unit}", "divide it by a reference value")

    def _call(self, call: Call, given: list[Unit | None]) -> Unit | None:
        name = call.function
        if name in self.model.macros:
            return None
        row = builtins.find(name)
        variable = self.model.variables.get(name)
        if variable is not None and (has_points(variable) or row is None):
            return self.declared[name]
        if row is None or not row.takes(len(given)):
            return None
        if row.name == "lookup":
            return given[0]
        if row.name == "power":
            return self._power(call.args[0], call.args[1], given[0], given[1])
        result, misfits = match(signature(row), given, self.time)
        for misfit in misfits:
            arg = call.args[misfit.at]
            place = _ORDINALS[misfit.at] if misfit.at < len(_ORDINALS) else f"{misfit.at + 1}th"
            reason = (
                f"the {place} argument of {name.upper()}, {spell(arg, 40)}, is in {misfit.given} and must be in {misfit.wanted}"
            )
            repair = _name_it(arg, misfit.wanted) or _mend(misfit.given, misfit.wanted)
            # A bare number where a time must stand can only be meant in the model's time unit.
            level = Level.WARNING if misfit.wanted is self.time and _is_number(arg) else Level.ERROR
            self._fault(reason + _apart(misfit.given, misfit.wanted), repair, call.column, level)
        return None if misfits and result is None else result


def _is_number(expr: Expr) -> bool:
    """Whether an expression is made of literals alone."""
    stack = [expr]
    while stack:
        part = stack.pop()
        if not isinstance(part, (Number, Unary, Binary)) or (isinstance(part, Binary) and part.op not in "+-*/^"):
            return False
        stack.extend(children(part))
    return True


def _alike(left: Expr, right: Expr, one: Unit, other: Unit) -> str:
    named = _name_it(right, one) or _name_it(left, other)
    if named or ratio(one, other) is not None:
        return named or _mend(other, one)
    return "only like goes with like: correct the equation, or one of the units"


def _name_it(expr: Expr, wanted: Unit) -> str:
    """A bare number that must have a unit wants a name."""
    if not _is_number(expr) or wanted.is_number:
        return ""
    return f"make {spell(expr, 20)} a parameter in {wanted}"
