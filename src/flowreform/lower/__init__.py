"""Model -> Program: names become slots, delays become stocks, equations are put in order.

`lower` is pure. It stops at the first stage that finds faults and reports all the faults of that stage at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import product

from flowreform.arithmetic import divide, power
from flowreform.errors import Finding, ModelError, error
from flowreform.lower import conveyors, queues, subscripts
from flowreform.lower.assemble import assemble
from flowreform.lower.forms import read_table
from flowreform.lower.limits import OutflowLimits
from flowreform.lower.missing import has_missing
from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Binary, Dimension, Equation, Expr, Model, Number, Ref, Role, Unary, Variable, canonical, deep
from flowreform.program import (
    Assign,
    Code,
    Const,
    Drive,
    Input,
    LookupTable,
    Op,
    Place,
    Program,
    Read,
    Stock,
)


def lower(model: Model, timed: Collection[str] = (), save_every: float | None = None) -> Program:
    """The program of a model.

    `timed` names parameters that a scenario may vary over time. Raises ModelError with every fault found."""
    with deep():
        builder = Builder(model, resolve)
        builder.has_missing = has_missing(model)
        _place(builder)
        inputs = _write(builder, {canonical(name) for name in timed})
        return assemble(builder, inputs, save_every)


# --- slots and tables ------------------------------------------------------------------------------------------------


def _place(builder: Builder) -> None:
    faults: list[Finding] = []
    for variable in builder.model:
        missing = [name for name in variable.dimensions if name not in builder.model.dimensions]
        if missing:
            faults.append(_finding(builder.model, variable, variable.line, Fault(f"there is no dimension {missing[0]}")))
            continue
        shape = tuple(len(builder.model.dimensions[name].elements) for name in variable.dimensions)
        if variable.role is not Role.LOOKUP:
            builder.place(variable.name, variable.dimensions, shape, variable.role)
        if any(equation.lookup for equation in variable.equations):
            _tabulate(builder, variable)
    if faults:
        raise ModelError(faults)


def _tabulate(builder: Builder, variable: Variable) -> None:
    """One table per element, in row-major order."""
    axes = [builder.model.dimensions[name] for name in variable.dimensions]
    chosen: dict[tuple[int, ...], Equation] = {}
    for equation in variable.equations:
        for element in _left_positions(builder, equation, axes):
            chosen[element] = equation
    builder.table_of[variable.name] = len(builder.tables)
    first = variable.equations[0]
    if len(variable.equations) == 1 and first.lookup is not None and not first.subscripts and not first.exceptions:
        builder.table(LookupTable(variable.name, first.lookup.x, first.lookup.y, first.lookup.kind))
        builder.shared.add(variable.name)
        return
    for element in product(*(range(len(axis.elements)) for axis in axes)):
        lookup = chosen[element].lookup if element in chosen else None
        if lookup is not None:
            builder.table(LookupTable(variable.name, lookup.x, lookup.y, lookup.kind))
        else:
            kind = next(equation.lookup.kind for equation in variable.equations if equation.lookup)
            builder.table(LookupTable(variable.name, (0.0,), (float("nan"),), kind))


def _left_positions(builder: Builder, equation: Equation, axes: list[Dimension]) -> Iterator[tuple[int, ...]]:
    """Every element that an equation's left side covers, its exceptions aside."""
    left = equation.subscripts or tuple(axis.name for axis in axes)
    ranges = [_side(builder, name, axis) for name, axis in zip(left, axes, strict=True)]
    skipped = {
        element
        for exception in equation.exceptions
        for element in product(*(_side(builder, name, axis) for name, axis in zip(exception, axes, strict=True)))
    }
    for element in product(*ranges):
        if element not in skipped:
            yield element


def _side(builder: Builder, name: str, axis: Dimension) -> tuple[int, ...]:
    """The positions along an axis that one name of a left side covers."""
    if name in axis.elements:
        return (axis.elements.index(name),)
    dimension = builder.model.dimensions.get(name)
    found = subscripts.positions(dimension, axis) if dimension else None
    if found is None:
        raise Fault(f"{name} is neither an element nor a part of dimension {axis.label}")
    return found


# --- equations -------------------------------------------------------------------------------------------------------


def _write(builder: Builder, timed: set[str]) -> tuple[Input, ...]:
    """Every equation as assignments; the parameters are returned as inputs."""
    faults: list[Finding] = []
    inputs: list[Input] = []
    drives = 0
    builder.driven, builder.belted = conveyors.driven(builder.model), conveyors.belted(builder.model)
    builder.asked = {name: _beside(builder, name) for name in conveyors.held_back(builder.model) if name in builder.places}
    limits = OutflowLimits(builder)
    for variable in builder.model:
        if variable.role is Role.LOOKUP or variable.name in builder.driven:
            continue
        try:
            place = builder.places[variable.name]
            if variable.role is Role.PARAMETER:
                values = _values(builder, variable, place)
                drive = drives if variable.name in timed else None
                drives += place.size if drive is not None else 0
                inputs.append(_input(builder, place, values, drive))
                continue
        except Fault as fault:
            faults.append(_finding(builder.model, variable, variable.line, fault))
            continue
        if not variable.equations:
            faults.append(_finding(builder.model, variable, variable.line, Fault("it has no equation", "give it one")))
        written = limits.explicit(variable.name) or builder.asked.get(variable.name, place)
        for equation in variable.equations:
            try:
                _equation(builder, variable, equation, written)
            except Fault as fault:
                faults.append(_finding(builder.model, variable, equation.line or variable.line, fault))
        _leave_open(builder, variable, written)
        if variable.conveyor is not None:
            try:
                _conveyor(builder, variable, place, timed)
            except Fault as fault:
                faults.append(_finding(builder.model, variable, variable.line, fault))
    for variable in builder.model:
        if variable.queue:
            try:
                axes = [builder.model.dimensions[name] for name in variable.dimensions]
                target, scope = _left(builder, variable, variable.dimensions, axes, builder.places[variable.name])
                queues.expand(builder, scope, variable, target)
            except Fault as fault:
                faults.append(_finding(builder.model, variable, variable.line, fault))
    if not faults:
        faults += _limit(builder, limits)
    if faults:
        raise ModelError(faults)
    return tuple(inputs)


def _limit(builder: Builder, limits: OutflowLimits) -> list[Finding]:
    """What leaves non-negative stocks, limited to what is there."""
    scopes: dict[str, tuple[Read, Scope]] = {}
    faults = []
    for name in limits.stocks:
        stock = builder.model.variables[name]
        axes = [builder.model.dimensions[side] for side in stock.dimensions]
        scopes[name] = _left(builder, stock, stock.dimensions, axes, builder.places[name])
    limits.begin(scopes)
    for name in scopes:
        stock = builder.model.variables[name]
        try:
            limits.write(stock)
        except Fault as fault:
            faults.append(_finding(builder.model, stock, stock.line, fault))
    return faults


def _beside(builder: Builder, name: str) -> Place:
    """Slots for what a flow's equation gives, where what flows is something else."""
    place = builder.places[name]
    return replace(place, base=builder.slot(name, place.size))


def _conveyor(builder: Builder, variable: Variable, place: Place, timed: set[str]) -> None:
    """The outflows of a conveyor. What a leak's equation gives, its fraction, is put beside the leak itself."""
    axes = [builder.model.dimensions[name] for name in variable.dimensions]
    target, scope = _left(builder, variable, variable.dimensions, axes, place)
    fractions: dict[str, Read] = {}
    for leak in conveyors.leaks(builder.model, variable):
        given = builder.places[leak.name]
        if given.dimensions != place.dimensions:
            raise Fault(f"its leak {leak.label} has not the dimensions of the conveyor", "give both the same dimensions")
        beside = _beside(builder, leak.name)
        for equation in leak.equations:
            if equation.lookup is not None:
                raise Fault(f"its leak {leak.label} has a graphical function", "give the graph to an auxiliary and name it")
            _equation(builder, replace(leak, role=Role.AUXILIARY), equation, beside)
        fractions[leak.name] = replace(target, base=beside.base)
    conveyors.expand(builder, scope, variable, target, fractions, timed)


def _leave_open(builder: Builder, variable: Variable, place: Place) -> None:
    """An element that no equation covers has no value: whatever reads it is NaN, and the run says so."""
    if not variable.dimensions or variable.role is Role.STOCK:
        return
    axes = [builder.model.dimensions[name] for name in variable.dimensions]
    try:
        covered = {position for equation in variable.equations for position in _left_positions(builder, equation, axes)}
    except (Fault, ValueError):
        return  # a left side that fits nowhere is already a finding
    for number, position in enumerate(product(*(range(size) for size in place.shape))):
        if position not in covered:
            builder.step.append(Assign(variable.name, Read(place.base + number), (), Const(math.nan)))


def _finding(model: Model, variable: Variable, line: int, fault: Fault) -> Finding:
    return error("equation", fault.reason, fault.repair, file=model.file, line=line, element=variable.label, column=fault.column)


def _values(builder: Builder, variable: Variable, place: Place) -> tuple[float, ...]:
    axes = [builder.model.dimensions[name] for name in variable.dimensions]
    values: dict[tuple[int, ...], float] = {}
    for equation in variable.equations:
        value = fold(equation.expr)
        if value is None:
            raise Fault("a parameter's equation must be a number")
        for element in _left_positions(builder, equation, axes):
            values[element] = value
    # An element that no equation covers has no value: `check` says so, and whatever reads it is NaN.
    return tuple(values.get(element, math.nan) for element in product(*(range(size) for size in place.shape)))


def fold(expr: Expr | None) -> float | None:
    """The number a literal expression stands for; None when it reads anything."""
    match expr:
        case Number(value):
            return value
        case Unary("-", operand):
            inner = fold(operand)
            return None if inner is None else -inner
        case Unary("+", operand):
            return fold(operand)
        case Binary(op, left, right):
            a, b = fold(left), fold(right)
            if a is None or b is None:
                return None
            plain = {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "/": lambda: divide(a, b),
                "^": lambda: power(a, b),
            }
            return plain[op]() if op in plain else None
        case _:
            return None


def _input(builder: Builder, place: Place, values: tuple[float, ...], drive: int | None) -> Input:
    if drive is None:
        return Input(place.name, place.base, values)
    # A lever over time: its own slots follow the series where there is one and the given value elsewhere.
    given = builder.slot(place.name, place.size)
    for i in range(place.size):
        series = Drive(drive + i)
        code = Op("if", (Op("=", (series, series)), series, Read(given + i)))
        builder.step.append(Assign(place.name, Read(place.base + i), (), code))
    return Input(place.name, given, values, drive)


def _equation(builder: Builder, variable: Variable, equation: Equation, place: Place) -> None:
    axes = [builder.model.dimensions[name] for name in variable.dimensions]
    if equation.exceptions:
        elements = [
            tuple(axis.elements[i] for axis, i in zip(axes, position, strict=True))
            for position in _left_positions(builder, equation, axes)
        ]
    else:
        elements = [equation.subscripts or variable.dimensions]
    for left in elements:
        target, scope = _left(builder, variable, left, axes, place)
        if equation.exceptions:
            scope = _pretend(builder, scope, equation, left)
        _one(builder, variable, equation, target, scope, left)


def _left(builder: Builder, variable: Variable, left: tuple[str, ...], axes: list[Dimension], place: Place) -> tuple[Read, Scope]:
    """The target of one left side and the scope of its right side."""
    if len(left) != len(axes):
        raise Fault(f"the left side has {len(left)} subscripts and the variable {len(axes)} dimensions")
    base, terms, running = place.base, [], []
    for name, axis, stride in zip(left, axes, subscripts.strides(place.shape), strict=True):
        if name in axis.elements:
            base += axis.elements.index(name) * stride
            continue
        dimension = builder.model.dimensions.get(name)
        if dimension is None:
            raise Fault(f"{name} is neither an element nor a part of dimension {axis.label}")
        run = Running(builder.loop(len(dimension.elements)), dimension)
        found = subscripts.term(builder, run, axis, stride)
        if found is None:
            raise Fault(f"{name} is no part of dimension {axis.label}")
        base += found[0]
        terms.append(found[1])
        running.append(run)
    return Read(base, tuple(terms)), Scope(variable.name, tuple(running))


def _pretend(builder: Builder, scope: Scope, equation: Equation, element: tuple[str, ...]) -> Scope:
    """With exceptions an equation is written element by element; its dimensions' names still mean the element at hand."""
    running = []
    for name, chosen in zip(equation.subscripts, element, strict=True):
        dimension = builder.model.dimensions.get(name)
        if dimension is not None and chosen in dimension.elements:
            at = dimension.elements.index(chosen)
            single = Dimension(name, dimension.label, (chosen,), mappings=tuple((o, (m[at],)) for o, m in dimension.mappings))
            running.append(Running(builder.loop(1), single))
    return Scope(scope.name, tuple(running))


def _one(builder: Builder, variable: Variable, equation: Equation, target: Read, scope: Scope, left: tuple[str, ...]) -> None:
    if equation.expr is None and equation.lookup is None:
        raise Fault("it has no equation" if variable.role is not Role.STOCK else "the stock has no initial value", "give it one")
    code = _right(builder, scope, equation, target, variable) if equation.expr is not None else Const(0.0)
    if variable.role is Role.STOCK:
        builder.begin.append(Assign(variable.name, target, scope.loops, code))
        rate = _net(builder, scope, variable, left)
        builder.stocks.append(Stock(variable.name, target, scope.loops, rate, variable.non_negative))
        return
    if variable.role is Role.FLOW and (variable.non_negative or variable.name in builder.belted):
        code = Op("max", (code, Const(0.0)))
    if equation.initial is not None:
        start = Assign(variable.name, target, scope.loops, resolve(builder, scope, equation.initial))
        for part in start.unrolled():
            builder.instead[part.target.base] = part.code
    builder.step.append(Assign(variable.name, target, scope.loops, code))


def _right(builder: Builder, scope: Scope, equation: Equation, target: Read, variable: Variable) -> Code:
    assert equation.expr is not None
    code = resolve(builder, scope, equation.expr)
    if equation.lookup is None:
        return code
    table = builder.table_of[variable.name]
    if variable.name in builder.shared:
        return read_table(builder, table, code)
    return read_table(builder, target.base + table - builder.places[variable.name].base, code, target.terms)


def _net(builder: Builder, scope: Scope, variable: Variable, left: tuple[str, ...]) -> Code:
    """Inflows less outflows, each added in the order written; an arrayed flow is read at the stock's own element."""

    def total(names: tuple[str, ...]) -> Code | None:
        result: Code | None = None
        for name in names:
            place = builder.places.get(name)
            if place is None:
                raise Fault(f"flow {name} is not defined", "define it or take it off the stock")
            same = place.dimensions == variable.dimensions
            code = resolve(builder, scope, Ref(name, tuple(Ref(side) for side in left) if same else ()))
            if place.role in (Role.STOCK, Role.PARAMETER):
                code = builder.auxiliary(scope, code)
            result = code if result is None else Op("+", (result, code))
        return result

    into, out = total(variable.inflows), total(variable.outflows)
    if out is None:
        return into or Const(0.0)
    return Op("-", (into, out)) if into is not None else Op("neg", (out,))


__all__ = ["fold", "lower"]
