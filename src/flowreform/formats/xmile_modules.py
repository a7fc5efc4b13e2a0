"""Models inside models (XMILE 1.0, section 4.7): every module of a file laid out flat.

A variable of a module is called `module.variable` (inside another module `outer.inner.variable`), and a module's input is
replaced by what it is connected to. In equations a name means the variable of the own model where there is one, a leading
dot the root model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from flowreform.errors import shorten
from flowreform.formats.limits import how_to_raise
from flowreform.formats.xmile_document import Reading
from flowreform.model import Binary, Call, Equation, Expr, Number, Ref, Unary, Variable, fold, names_in, rebuilt

Rename = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Connect:
    """An input of a module and its source, as canonical names that may be qualified."""

    to: str
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Module:
    """A use of a model inside another."""

    name: str
    label: str
    model: str
    connects: tuple[Connect, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class ModuleSection:
    """One `<model>` of a file: names are its own, nothing is resolved."""

    name: str
    variables: Mapping[str, Variable]
    modules: Mapping[str, Module]
    groups: tuple[tuple[str, str], ...] = ()
    doc: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A section at one place of the tree of modules; `prefix` ends in a dot or is empty."""

    section: ModuleSection
    prefix: str = ""
    label: str = ""
    above: tuple[str, ...] = ()


@dataclass(slots=True)
class FlatModules:
    """All variables of a file by their full names, and the groups."""

    variables: dict[str, Variable] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


def flatten(root: ModuleSection, sections: Mapping[str, ModuleSection], indexes: frozenset[str], reading: Reading) -> FlatModules:
    """The variables of the root and of all its modules. `indexes` are the names of dimensions and elements, which mean the
    same everywhere. Faults: modules without a model, models inside themselves, connections that lead nowhere."""
    places, sources = _unfold(root, sections, reading)
    known = {place.prefix + name for place in places for name in place.section.variables}
    flat = FlatModules()
    for place in places:
        if place.prefix:
            flat.groups.setdefault(place.prefix[:-1], place.label[:-1])
        flat.groups.update((place.prefix + name, label) for name, label in place.section.groups)
        rename = _renaming(place, sources)
        for name, variable in place.section.variables.items():
            full = place.prefix + name
            if full in sources:
                _require_source(full, variable, sources, known, place, reading)
            elif full in flat.variables:
                reason = f"{full} is defined twice, first in line {flat.variables[full].line}"
                reading.fault("duplicate-variable", reason, "rename one or delete it", at=variable.line, element=variable.label)
            elif any(equation.expr is None and equation.lookup is None for equation in variable.equations):
                reason = "the input of the module has no equation and is not connected"
                reading.fault("unconnected-input", reason, "connect it, or write <eqn>", at=variable.line, element=full)
            else:
                flat.variables[full] = _placed(variable, full, place, sources, rename, indexes)
    used = {"", *(name for place in places for name in place.above), *(place.section.name for place in places)}
    for name, section in sections.items():
        if name not in used:
            reading.warn(
                "unused-model",
                "no module uses this model, it is left out",
                "add a module, or delete it",
                at=section.line,
                element=name,
            )
    return flat


def _unfold(root: ModuleSection, sections: Mapping[str, ModuleSection], reading: Reading) -> tuple[list[_Place], dict[str, str]]:
    """Every place of the tree of modules, and the full names that are inputs with their sources."""
    places: list[_Place] = []
    sources: dict[str, str] = {}
    count = 0
    work = [_Place(root)]
    while work:
        place = work.pop()
        places.append(place)
        count += len(place.section.variables)
        if count > reading.limits.variables:
            reason = f"with its modules the model has more than {reading.limits.variables:,} variables"
            reading.fault("too-many-variables", reason, how_to_raise("variables"), at=place.section.line)
            return [], {}
        for module in reversed(tuple(place.section.modules.values())):
            inner = sections.get(module.model)
            if inner is None:
                hint = reading.like(module.model, sections) or "add <model> with this name"
                reading.fault(
                    "unknown-model", f'there is no model "{shorten(module.model)}"', hint, at=module.line, element=module.label
                )
            elif inner.name in (*place.above, place.section.name):
                reason = f'the model "{shorten(inner.name)}" contains itself'
                reading.fault("recursive-module", reason, "take the module out", at=module.line, element=module.label)
            else:
                below = _Place(
                    inner, f"{place.prefix}{module.name}.", f"{place.label}{module.label}.", (*place.above, place.section.name)
                )
                _connect(module, place, below, sources, reading)
                work.append(below)
    return places, sources


def _connect(module: Module, place: _Place, below: _Place, sources: dict[str, str], reading: Reading) -> None:
    """Note the source of each input that a module's connections name. Stella lists a connection in the module that it leaves
    as well as in the one that it enters, and may connect an output to a variable of the model around the modules."""
    for connect in module.connects:
        source = connect.source[1:] if connect.source.startswith(".") else place.prefix + connect.source
        to = connect.to.removeprefix(".").removeprefix(f"{module.name}.")
        if to in below.section.variables:
            full = below.prefix + to
        elif to.partition(".")[0] in place.section.modules or to in place.section.variables:
            full = place.prefix + to
        else:
            hint = reading.like(to, below.section.variables) or "name a variable of the module's model"
            reading.fault(
                "unknown-input", f'the module has no input "{shorten(to)}"', hint, at=connect.line, element=module.label
            )
            continue
        if sources.setdefault(full, source) != source:
            reading.fault(
                "duplicate-input",
                f'the input "{shorten(to)}" has two sources',
                "delete one",
                at=connect.line,
                element=module.label,
            )


def _follow(name: str, sources: Mapping[str, str]) -> str | None:
    """The variable at the end of a chain of inputs; None when the chain goes round in a circle."""
    seen = set()
    while name in sources:
        if name in seen:
            return None
        seen.add(name)
        name = sources[name]
    return name


def _require_source(
    full: str, variable: Variable, sources: Mapping[str, str], known: set[str], place: _Place, reading: Reading
) -> None:
    end = _follow(full, sources)
    if end is None:
        reading.fault(
            "circular-input",
            f"the input {shorten(full)} is its own source",
            "connect it to a variable",
            at=variable.line,
            element=full,
        )
    elif end not in known:
        hint = reading.like(end, known) or "connect it to a variable of the model"
        reading.fault(
            "unknown-source",
            f'the input is connected to "{shorten(end)}", which is not defined',
            hint,
            at=variable.line,
            element=full,
        )


def _renaming(place: _Place, sources: Mapping[str, str]) -> Rename:
    own = {*place.section.variables, *place.section.modules}

    def rename(name: str) -> str:
        if name.startswith("."):
            full = name[1:]
        elif name in own or name.partition(".")[0] in own:
            full = place.prefix + name
        else:
            return name
        return _follow(full, sources) or full

    return rename


def _placed(
    variable: Variable, full: str, place: _Place, sources: Mapping[str, str], rename: Rename, indexes: frozenset[str]
) -> Variable:
    group = place.prefix + variable.group if variable.group else place.prefix[:-1] or None
    return replace(
        variable,
        name=full,
        label=place.label + variable.label,
        group=group,
        equations=tuple(
            _renamed_equation(_answered(equation, place, sources), rename, indexes) for equation in variable.equations
        ),
        inflows=tuple(map(rename, variable.inflows)),
        outflows=tuple(map(rename, variable.outflows)),
        conveyor=variable.conveyor and variable.conveyor.mapped(lambda expr: renamed(expr, rename, indexes)),
    )


def _answered(equation: Equation, place: _Place, sources: Mapping[str, str]) -> Equation:
    """The equation with each `ISMODULEINPUT(name)` of a connected input written as 1."""

    def answer(expr: Expr | None) -> Expr | None:
        if expr is None or "ismoduleinput" not in names_in(expr):
            return expr
        return fold(expr, combine)

    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        match part:
            case Call("ismoduleinput", (Ref(name),)) if place.prefix + name in sources:
                return Number(1.0)
        return rebuilt(part, inside) if inside else part

    return replace(equation, expr=answer(equation.expr), initial=answer(equation.initial))


def _renamed_equation(equation: Equation, rename: Rename, indexes: frozenset[str]) -> Equation:
    expr = equation.expr and renamed(equation.expr, rename, indexes)
    initial = equation.initial and renamed(equation.initial, rename, indexes)
    return replace(equation, expr=expr, initial=initial)


def renamed(expr: Expr, rename: Rename, indexes: frozenset[str]) -> Expr:
    """The expression with its names changed; dimensions and elements in brackets stay."""
    if all(rename(name) == name for name in names_in(expr)):
        return expr

    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        match part:
            case Ref(name, subscripts, column):
                kept = (old if _is_index(old, indexes) else new for old, new in zip(subscripts, inside, strict=True))
                return Ref(rename(name), tuple(kept), column)
            case Call(function, _, column):
                return Call(rename(function), inside, column)
            case Unary(op, _):
                return Unary(op, inside[0])
            case Binary(op, _, _):
                return Binary(op, inside[0], inside[1])
            case _:
                return part

    return fold(expr, combine)


def _is_index(expr: Expr, indexes: frozenset[str]) -> bool:
    match expr:
        case Ref(name, ()):
            return name in indexes
        case Call("range", _):
            return True
        case _:
            return False
