"""What the modeller wrote, frozen: roles, units, documentation, equations and where each stands in its file.

A `Model` knows nothing of files, engines or numbers of runs. Readers in `formats` build it, `checks` reads it, `lower`
turns it into a `Program`. Names are canonical (`canonical`); the spelling the modeller used is kept as `label`.
"""

from __future__ import annotations

import copyreg
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from flowreform.errors import ModelError, did_you_mean, error
from flowreform.text import Manual, Shown, columns, number

T = TypeVar("T")

_SPACES = re.compile(r"(?:\\n|\\r|[\s_\u00a0])+")


_DEPTH = 20_000


@contextmanager
def deep() -> Iterator[None]:
    """Room for expressions as deep as a reader lets through (`with deep():`, or `@deep()` on what walks into them)."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def canonical(name: str) -> str:
    """The one spelling of a name (XMILE 1.0, section 3.2.2): quotes off, case folded, any run of blanks, underscores and
    line breaks is one underscore. `"Acute  Beds"`, `acute_beds` and `Acute\\nbeds` are one name."""
    text = unicodedata.normalize("NFC", name).strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"')
    return _SPACES.sub("_", text).strip("_").lower() or "_" * bool(text)


def _read_only(table: dict[str, object]) -> MappingProxyType[str, object]:
    """A read-only mapping, when what holds it is sent to another process or copied."""
    return MappingProxyType(table)


copyreg.pickle(MappingProxyType, lambda table: (_read_only, (dict(table),)))


# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Ref:
    """A variable, dimension or element by canonical name, with its subscripts if any."""

    name: str
    subscripts: tuple[Expr, ...] = ()
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Star:
    """A whole dimension inside brackets: `*`, `dimension.*`, Vensim's `dimension!`; reduced by the function around it."""

    dimension: str | None = None


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x` or `not x`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right`; op is one of + - * / ^ mod = <> < <= > >= and or."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in, a named lookup or a macro with its arguments. `IF a THEN b ELSE c` is `Call("if", (a, b, c))`.

    Function names are canonical. Vensim's own names are translated to ours by its reader (`builtins.ALIASES`).
    """

    function: str
    args: tuple[Expr, ...]
    column: int = field(default=0, compare=False)


Expr = Number | Ref | Star | Unary | Binary | Call


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside one."""
    match expr:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, args):
            return args
        case Ref(_, subscripts):
            return subscripts
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything inside it, each once, without recursion."""
    stack = [expr]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def fold(expr: Expr, combine: Callable[[Expr, tuple[T, ...]], T]) -> T:
    """What `combine` makes of an expression and of what it made of those inside it, from the leaves up. Without recursion."""
    work: list[tuple[Expr, bool]] = [(expr, False)]
    done: list[T] = []
    while work:
        top, ready = work.pop()
        inside = children(top)
        if inside and not ready:
            work.append((top, True))
            work.extend((child, False) for child in reversed(inside))
        else:
            first = len(done) - len(inside)
            done[first:] = [combine(top, tuple(done[first:]))]
    return done[0]


def rebuilt(part: Expr, inside: tuple[Expr, ...]) -> Expr:
    """An expression of the same kind around other parts."""
    match part:
        case Ref(name, _, column):
            return Ref(name, inside, column)
        case Call(function, _, column):
            return Call(function, inside, column)
        case Unary(op, _):
            return Unary(op, inside[0])
        case Binary(op, _, _):
            return Binary(op, inside[0], inside[1])
        case Number() | Star():
            return part


def names_in(expr: Expr) -> Iterator[str]:
    """Every name read by an expression: variables, lookups called as functions, dimensions and elements in brackets."""
    for part in walk(expr):
        if isinstance(part, Ref):
            yield part.name
        elif isinstance(part, Call):
            yield part.function


# --- variables -------------------------------------------------------------------------------------------------------


class Role(StrEnum):
    """What part a variable plays. A parameter is an auxiliary that is a number: what levers and uncertainties may name."""

    STOCK = "stock"
    FLOW = "flow"
    AUXILIARY = "auxiliary"
    PARAMETER = "parameter"
    LOOKUP = "lookup"

    @property
    def plural(self) -> str:
        """The word for several."""
        return "auxiliaries" if self is Role.AUXILIARY else f"{self}s"


class LookupKind(StrEnum):
    """What a graphical function does between and beyond its points (XMILE 1.0, section 3.1.4)."""

    CONTINUOUS = "continuous"
    EXTRAPOLATE = "extrapolate"
    DISCRETE = "discrete"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A graphical function: at least one point, x rising strictly."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: LookupKind = LookupKind.CONTINUOUS


@dataclass(frozen=True, slots=True)
class Equation:
    """One equation of a variable.

    `subscripts` is the left side: empty for a scalar and for "all dimensions as declared"; otherwise one name per
    dimension of the variable, each an element or a dimension (a subrange included). For a stock `expr` is the initial
    value. `lookup`, if there, is read at the value of `expr` (or stands alone when `expr` is None). `initial` replaces
    `expr` while initial values are worked out (ACTIVE INITIAL). `exceptions` are left sides that this one leaves out.
    """

    text: str
    expr: Expr | None
    line: int = 0
    subscripts: tuple[str, ...] = ()
    lookup: Lookup | None = None
    initial: Expr | None = None
    exceptions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Conveyor:
    """What makes a stock a conveyor (XMILE 1.0, section 4.2.1): what flows in comes out `length` units of time later.

    The one outflow that is no leak leaves at the end of the belt; its equation, `stock / length`, is what it comes to in
    balance, and the run works out its own. `content_limit` (XMILE's capacity) and `inflow_limit` (per unit of time) keep
    material out, `sample` says when the transit time is read anew, `arrest` when the belt stands still; None where the file
    names none. A `discrete` belt takes whole units in; what comes from a queue is one batch a step (`one_at_a_time`), never in
    parts (`batch_integrity`). With `exponential_leak` a leak's equation is a share of what is there, a unit of time."""

    length: Expr
    content_limit: Expr | None = None
    inflow_limit: Expr | None = None
    sample: Expr | None = None
    arrest: Expr | None = None
    discrete: bool = False
    batch_integrity: bool = False
    one_at_a_time: bool = True
    exponential_leak: bool = False

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression that the conveyor reads."""
        parts = (self.length, self.content_limit, self.inflow_limit, self.sample, self.arrest)
        return tuple(part for part in parts if part is not None)

    def mapped(self, change: Callable[[Expr], Expr]) -> Conveyor:
        """The same conveyor with each of its expressions changed."""
        return replace(
            self,
            length=change(self.length),
            content_limit=self.content_limit and change(self.content_limit),
            inflow_limit=self.inflow_limit and change(self.inflow_limit),
            sample=self.sample and change(self.sample),
            arrest=self.arrest and change(self.arrest),
        )


@dataclass(frozen=True, slots=True)
class Leak:
    """What makes an outflow of a conveyor a leak: its equation is the fraction of what flowed in that it takes, in equal
    parts, between `start` and `end` of the way (0 is where material comes in, 1 where it leaves)."""

    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class Variable:
    """A stock, flow, auxiliary, parameter or lookup.

    `units` is the text as written (None: not given, which is unlike "dimensionless"), `range` is (low, high) with None
    for an open side, `group` the canonical name of its sector. `inflows` and `outflows` are a stock's flows. A stock may be a
    `conveyor` or a `queue`, a flow out of the one a `leak`, out of the other an `overflow`: what a belt further on would not
    take in.
    """

    name: str
    label: str
    role: Role
    equations: tuple[Equation, ...]
    dimensions: tuple[str, ...] = ()
    units: str | None = None
    doc: str = ""
    range: tuple[float | None, float | None] = (None, None)
    group: str | None = None
    line: int = 0
    non_negative: bool = False
    inflows: tuple[str, ...] = ()
    outflows: tuple[str, ...] = ()
    conveyor: Conveyor | None = None
    leak: Leak | None = None
    queue: bool = False
    overflow: bool = False

    @property
    def text(self) -> str:
        """The equation as written; element equations are joined by semicolons."""
        return "; ".join(
            (f"[{', '.join(eq.subscripts)}]: " if eq.subscripts and len(self.equations) > 1 else "") + eq.text
            for eq in self.equations
        )

    def __str__(self) -> str:
        unit = f" [{self.units}]" if self.units else ""
        dims = f"[{', '.join(self.dimensions)}]" if self.dimensions else ""
        sides = (("in", self.inflows), ("out", self.outflows))
        flows = "".join(f"  {word}: {', '.join(names)}" for word, names in sides if names)
        body = flows if self.role is Role.STOCK else f"  = {self.text}"
        return f"{self.role.capitalize()} {self.name}{dims}{unit}{body}" + (f"  {self.doc}" if self.doc else "")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Entry(Manual, Variable):
    """A variable with the model it belongs to, as `model["name"]` gives it; equal to the variable. Its `repr` is its manual."""

    model: Model | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variable) and all(
            getattr(self, item.name) == getattr(other, item.name) for item in fields(Variable)
        )

    __hash__ = Variable.__hash__
    __str__ = Manual.__repr__

    @property
    def causes(self) -> tuple[str, ...]:
        """The variables that its equations read; for a stock also the flows in and out of it."""
        return causes(self.model)[self.name] if self.model else ()

    @property
    def uses(self) -> tuple[str, ...]:
        """The variables that read it."""
        return uses(causes(self.model))[self.name] if self.model else ()

    def manual(self) -> Iterator[Shown]:
        """Role, name, unit and documentation; equation, range, group, causes, uses, and where it is written."""
        dims = f"[{', '.join(self.dimensions)}]" if self.dimensions else ""
        unit = f" [{self.units}]" if self.units else ", no unit given"
        kind = "conveyor, a stock" if self.conveyor else "queue, a stock" if self.queue else str(self.role)
        yield f"{self.name}{dims}{unit}: {kind}"
        yield from ([self.doc] if self.doc else [])
        yield from (f"  {word:<9} {text}" for word, text in self._facts() if text)

    def _facts(self) -> Iterator[tuple[str, str]]:
        stock = self.role is Role.STOCK
        yield "label", "" if canonical(self.label) == self.label else self.label
        yield ("initial" if stock else "value" if self.role is Role.PARAMETER else "equation"), self.text
        for item in self.equations:
            if item.lookup is not None:
                points = zip(item.lookup.x, item.lookup.y, strict=True)
                yield "points", f"{', '.join(f'({number(x)}, {number(y)})' for x, y in points)} ({item.lookup.kind})"
        yield "inflows", ", ".join(self.inflows)
        yield "outflows", ", ".join(self.outflows)
        yield "range", _range_text(self)
        yield "group", self.group or ""
        yield "causes", ", ".join(name for name in self.causes if name not in (*self.inflows, *self.outflows))
        yield "uses", ", ".join(self.uses)
        file = self.model.path.name if self.model and self.model.path else ""
        yield "written", f"{file}, line {self.line}" if file and self.line else ""


class Variables(Manual, dict[str, Variable]):
    """Variables of a model by canonical name, in file order. Its `repr` is a table; one of them is an `Entry`."""

    def __init__(self, title: str, model: Model, found: Mapping[str, Variable]) -> None:
        super().__init__(found)
        self._title, self._model = title, model

    def __getitem__(self, name: str) -> Variable:
        return self._model[super().__getitem__(canonical(name)).name]

    def manual(self) -> Iterator[Shown]:
        """A row for each variable: name, value or equation, unit, range, what it is."""
        rows = ((item.name, _value_text(item), item.units or "", _range_text(item), item.doc) for item in self.values())
        heads = ("name", "value or initial value", "unit", "range", "what it is")
        yield columns(self._title, heads, rows)


def _value_text(variable: Variable) -> str:
    """A number as people read it; any other equation as it is written."""
    only = variable.equations[0].expr if len(variable.equations) == 1 else None
    return number(only.value) if isinstance(only, Number) else variable.text


def _range_text(variable: Variable) -> str:
    low, high = variable.range
    if low is None and high is None:
        return ""
    return f"{'..' if low is None else number(low)} to {'..' if high is None else number(high)}"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A named list of elements. A subrange lists elements of a larger dimension (`parent`).

    `mappings` holds, for another dimension's name, its elements in the order of this one's elements that stand for them
    (Vensim's `->`).
    """

    name: str
    label: str
    elements: tuple[str, ...]
    element_labels: tuple[str, ...] = ()
    line: int = 0
    parent: str | None = None
    mappings: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Macro:
    """A function written in the model's own language: `variables` with `result` among them; stocks inside keep state."""

    name: str
    parameters: tuple[str, ...]
    variables: tuple[Variable, ...]
    result: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class UnitAlias:
    """A unit the model file defines: `name` with `equation` ("" = a base unit) and other spellings."""

    name: str
    equation: str = ""
    aliases: tuple[str, ...] = ()
    line: int = 0


_MOST = 2.0**53


class Method(StrEnum):
    """The integration method."""

    EULER = "euler"
    RK2 = "rk2"
    RK4 = "rk4"


@dataclass(frozen=True, slots=True)
class SimSpecs:
    """Start, stop, step and saving interval in the model's time unit; step n stands at `start + n * dt`."""

    start: float
    stop: float
    dt: float
    method: Method = Method.EULER
    time_unit: str = ""
    save_every: float | None = None
    line: int = 0

    @property
    def steps(self) -> int:
        """How many steps of `dt` lead from start to stop."""
        return whole_times(self.stop - self.start, self.dt)

    @property
    def end(self) -> float:
        """Where the run ends: at stop, or at the step nearest to it where dt does not divide the run."""
        return self.stop if self.divides(self.stop - self.start) else self.start + self.steps * self.dt

    @property
    def saving(self) -> float:
        """The time between saved values: as written, or the nearest multiple of dt, or dt where nothing is written."""
        every = self.save_every or self.dt
        return every if self.divides(every) else max(1, whole_times(every, self.dt)) * self.dt

    def divides(self, length: float) -> bool:
        """Is a length a whole number of steps, to the rounding of decimal fractions?"""
        return divides(self.dt, length, 1e-6)

    @property
    def blurred(self) -> str:
        """Why the steps of a run cannot be told apart by their times: so far from 0, floating-point numbers are too coarse."""
        furthest = max(abs(self.start), abs(self.stop))
        apart = math.ulp(furthest)
        if apart <= self.dt / 1000:
            return ""
        return f"dt {self.dt:g} is lost beside times of {furthest:g}, which are {apart:.2g} apart"


def whole_times(length: float, step: float) -> int:
    """How often a step goes into a length, rounded; no more than 2^53, where floating-point numbers no longer count."""
    count = length / step
    return round(count) if abs(count) < _MOST else int(_MOST)


def divides(step: float, length: float, share: float) -> bool:
    """Whether a length is a whole number of steps, at least one, to a share of their number."""
    count = length / step
    return 0.5 < count < _MOST and abs(count - round(count)) <= share * max(1.0, count)


@dataclass(frozen=True)
class Model:
    """A whole model, as written.

    `variables` and `dimensions` are read-only mappings by canonical name, in file order. `path` is the file, for
    messages; `sha256` is of the file's bytes. Warnings the reader had are in `findings`. With a `noise_seed` its random functions
    are drawn before each run; without one they are refused.
    """

    name: str
    specs: SimSpecs
    variables: Mapping[str, Variable]
    dimensions: Mapping[str, Dimension] = field(default_factory=lambda: MappingProxyType({}))
    macros: Mapping[str, Macro] = field(default_factory=lambda: MappingProxyType({}))
    unit_aliases: tuple[UnitAlias, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    doc: str = ""
    noise_seed: int | None = None
    path: Path | None = field(default=None, compare=False)
    sha256: str = field(default="", compare=False)
    findings: tuple[object, ...] = field(default=(), compare=False)

    def __getitem__(self, name: str) -> Entry:
        """The variable of that name, in any spelling; its `repr` is its manual.

        Raises ModelError, with the closest known names, when there is none."""
        found = self.variables.get(canonical(name))
        if found is None:
            hint = did_you_mean(canonical(name), self.variables) or f"`flowreform show {self.name}` lists what there is"
            raise ModelError(error("unknown-variable", "the model has no such variable", hint, file=self.file, element=name))
        return Entry(**{item.name: getattr(found, item.name) for item in fields(Variable)}, model=self)

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self.variables

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.variables.values())

    def of_role(self, role: Role) -> Variables:
        """The variables of one role, in file order."""
        found = {name: variable for name, variable in self.variables.items() if variable.role is role}
        return Variables(f"{len(found)} {role.plural} of {self.name}", self, found)

    @property
    def file(self) -> str:
        """The path as text, for messages."""
        return str(self.path) if self.path else ""

    @property
    def stocks(self) -> Variables:
        """The stocks, in file order."""
        return self.of_role(Role.STOCK)

    @property
    def parameters(self) -> Variables:
        """Everything a lever or an uncertainty may name: the numbers of the model."""
        return self.of_role(Role.PARAMETER)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.of_role(role))} {role.plural}" for role in Role)
        s = self.specs
        return f"<Model {self.name}: {counts}; {s.start:g} to {s.stop:g} {s.time_unit}, dt {s.dt:g}, {s.method}>"


# --- causes and uses -------------------------------------------------------------------------------------------------

Causes = Mapping[str, tuple[str, ...]]
"""For each variable the variables that act on it, in the order they are read."""


def causes(model: Model) -> Causes:
    """For each variable what its equations read; for a stock also the flows in and out of it."""
    known = model.variables
    found: dict[str, tuple[str, ...]] = {}
    for variable in model:
        read: dict[str, None] = {}
        for equation in variable.equations:
            for expr in (equation.expr, equation.initial):
                if expr is not None:
                    read.update(dict.fromkeys(name for name in names_in(expr) if name in known))
        read.update(dict.fromkeys(name for name in (*variable.inflows, *variable.outflows) if name in known))
        found[variable.name] = tuple(read)
    for stock in model:
        for flow, more in _driven(stock):
            if flow in found:  # what stands in the file, the fraction of a leak for one, is not all that acts on it
                found[flow] = tuple(dict.fromkeys((*found[flow], *(name for name in more if name in known))))
    return found


def _driven(stock: Variable) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Flows whose values a conveyor or a queue gives, with what acts on each beside its own equation."""
    belt = stock.conveyor
    if belt is not None:
        inside = [name for expr in (belt.length, belt.sample, belt.arrest) if expr is not None for name in names_in(expr)]
        limits = [
            name for expr in (belt.content_limit, belt.inflow_limit, belt.arrest) if expr is not None for name in names_in(expr)
        ]
        yield from ((flow, (stock.name, *inside)) for flow in stock.outflows)
        if belt.content_limit is not None:
            limits.append(stock.name)
        yield from ((flow, tuple(limits)) for flow in stock.inflows if limits)
    elif stock.queue:
        yield from ((flow, (stock.name, *stock.inflows)) for flow in stock.outflows)


def uses(graph: Causes) -> Causes:
    """The same graph the other way round: for each variable what it acts on, in file order."""
    found: dict[str, list[str]] = {name: [] for name in graph}
    for name, read in graph.items():
        for cause in read:
            found[cause].append(name)
    return {name: tuple(users) for name, users in found.items()}
