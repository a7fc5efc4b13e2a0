"""What the rules look at: every expression of a model with the variable, the equation and the macro it stands in."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.errors import Finding, Level, did_you_mean, one_line
from flowreform.lower.subscripts import positions
from flowreform.model import Binary, Call, Dimension, Equation, Expr, Macro, Model, Number, Ref, Star, Unary, Variable, children

MOST_HINTS = 12
"""So many names are compared with all others; a file of nothing but unknown names would otherwise take minutes."""


@dataclass(frozen=True, slots=True)
class Section:
    """The model itself, or one macro: its own variables, all that it can see, and the macro."""

    own: tuple[Variable, ...]
    visible: Mapping[str, Variable]
    macro: Macro | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names that a macro's call fills."""
        return self.macro.parameters if self.macro else ()


@dataclass(frozen=True, slots=True)
class Line:
    """One expression where it stands; `starting` when it only counts while initial values are worked out."""

    section: Section
    variable: Variable
    equation: Equation
    expr: Expr
    starting: bool = False

    def finding(self, model: Model, rule: str, reason: str, repair: str, column: int = 0) -> Finding:
        """An error in this equation."""
        return finding(model, self.variable, rule, reason, repair, line=self.equation.line, column=column)


def finding(
    model: Model,
    variable: Variable,
    rule: str,
    reason: str,
    repair: str,
    *,
    level: Level = Level.ERROR,
    line: int = 0,
    column: int = 0,
) -> Finding:
    """A finding about a variable, at a line of its own or that of the variable."""
    return Finding(level, rule, model.file, line or variable.line, variable.label, reason, repair, column)


def warn(model: Model, variable: Variable, rule: str, reason: str, repair: str, line: int = 0) -> Finding:
    """A warning about a variable."""
    return finding(model, variable, rule, reason, repair, level=Level.WARNING, line=line)


def sections(model: Model) -> Iterator[Section]:
    """The model and its macros; a macro sees its own variables before the model's."""
    yield Section(tuple(model), model.variables)
    for macro in model.macros.values():
        local = {variable.name: variable for variable in macro.variables if variable.name not in macro.parameters}
        yield Section(tuple(local.values()), ChainMap(local, dict(model.variables)), macro)


def lines(section: Section) -> Iterator[Line]:
    """Every expression of a section, in file order."""
    for variable in section.own:
        for equation in variable.equations:
            if equation.expr is not None:
                yield Line(section, variable, equation, equation.expr)
            if equation.initial is not None:
                yield Line(section, variable, equation, equation.initial, starting=True)


def has_points(variable: Variable) -> bool:
    """Whether a variable can be read like a function: a lookup, or an auxiliary with a graphical function."""
    return any(equation.lookup is not None for equation in variable.equations)


class Taking(Enum):
    """How much of an array a call around a reference takes in."""

    ELEMENT = "one element"
    WHOLE = "whole dimensions"  # SUM and its kind: those that are starred or not named
    VECTOR = "a vector"  # ranks, allocations: the starred dimension, or else the last


def taking(call: Call, around: Taking) -> Taking:
    """How much of an array the arguments of a call give it."""
    row = builtins.find(call.function)
    if row is not None and row.kind is Kind.VECTOR:
        return Taking.VECTOR
    if row is not None and (row.kind is Kind.REDUCE or (row.repeats and len(call.args) == 1)):
        return Taking.WHOLE
    return around


def with_taking(expr: Expr) -> Iterator[tuple[Expr, Taking]]:
    """The expression and everything inside it, each with how much of an array is taken there. Without recursion."""
    stack = [(expr, Taking.ELEMENT)]
    while stack:
        part, around = stack.pop()
        yield part, around
        below = taking(part, around) if isinstance(part, Call) else around
        stack.extend((child, below) for child in reversed(children(part)))


def spell(expr: Expr, limit: int = 60) -> str:
    """An expression as text for a message, cut in the middle when long."""
    pieces: list[str] = []
    stack: list[Expr | str] = [expr]
    while stack and len(pieces) < 4 * limit:
        part = stack.pop()
        if isinstance(part, str):
            pieces.append(part)
        else:
            stack.extend(reversed(_spelled(part)))
    return one_line("".join(pieces), limit)


def _spelled(expr: Expr) -> list[Expr | str]:
    match expr:
        case Number(value):
            return [f"{value:g}"]
        case Ref(name, subscripts):
            return [name, "[", *_separated(subscripts), "]"] if subscripts else [name]
        case Star(dimension):
            return [f"{dimension}.*" if dimension else "*"]
        case Unary(op, operand):
            return [op if op in "+-" else f"{op} ", *_bracketed(operand)]
        case Binary(op, left, right):
            sign = op if op in "*/^" else f" {op} "
            return [*_bracketed(left), sign, *_bracketed(right)]
        case Call(function, args):
            return [function.upper(), "(", *_separated(args), ")"]


def _separated(parts: Iterable[Expr]) -> list[Expr | str]:
    separated: list[Expr | str] = []
    for part in parts:
        separated.extend((", ", part) if separated else (part,))
    return separated


def _bracketed(expr: Expr) -> list[Expr | str]:
    return ["(", expr, ")"] if isinstance(expr, Binary) else [expr]


@dataclass(slots=True)
class Hints:
    """The closest known names, for the first few names asked about."""

    left: int = MOST_HINTS

    def like(self, name: str, known: Iterable[str], otherwise: str) -> str:
        """`did you mean ...?`, or what else to do."""
        if self.left <= 0:
            return otherwise
        self.left -= 1
        near = [item for item in known if abs(len(item) - len(name)) <= 1 + len(name) // 2]
        return did_you_mean(name, near[:3_000]) or otherwise


# --- dimensions ------------------------------------------------------------------------------------------------------


def correspondence(model: Model, inner: Dimension, axis: Dimension) -> tuple[int, ...] | None:
    """Where the elements of one dimension stand along another: by name, by mapping, or by what the parent maps to."""
    found = positions(inner, axis)
    if found is not None or inner.name == axis.name:
        return found
    parent = model.dimensions.get(inner.parent or "")
    outer = positions(parent, axis) if parent else None
    within = positions(inner, parent) if parent else None
    return tuple(outer[at] for at in within) if outer and within else None


def named_element(axis: Dimension, name: str) -> int | None:
    """The position of the element a subscript names: `losing`, or `network.losing`."""
    plain = name.removeprefix(f"{axis.name}.") if name not in axis.elements else name
    return axis.elements.index(plain) if plain in axis.elements else None


def running(model: Model, variable: Variable, equation: Equation) -> list[Dimension]:
    """The dimensions that an equation's left side runs over."""
    found = []
    for side, dimension in zip(equation.subscripts or variable.dimensions, variable.dimensions, strict=False):
        axis = model.dimensions.get(dimension)
        if axis is not None and side not in axis.elements and side in model.dimensions:
            found.append(model.dimensions[side])
    return found
