"""From a Vensim expression with unsettled names to ours: variables, macros and Vensim's functions by our built-ins."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flowreform.builtins import ALIASES, find
from flowreform.formats.vensim_equations import (
    External,
    NoEquation,
    Raw,
    Unreadable,
    VensimNumbers,
    VensimPoints,
    VensimText,
    parts,
)
from flowreform.model import Binary, Call, Expr, Lookup, Number, Ref, Star, Unary


@dataclass(frozen=True, slots=True)
class Integral:
    """`INTEG(net, initial)`, which must be a whole right side."""

    net: Expr
    initial: Expr


@dataclass(frozen=True, slots=True)
class WithLookup:
    """`WITH LOOKUP(argument, points)`."""

    argument: Expr
    lookup: Lookup


@dataclass(frozen=True, slots=True)
class VensimReference:
    """`GET XLS ...` or `GET DIRECT ...` with its texts: file, tab, cells."""

    kind: str
    texts: tuple[str, ...]


Right = Expr | Integral | WithLookup | VensimReference | VensimNumbers | Lookup | NoEquation
"""What may stand on the right side of an equation, names settled."""


@dataclass(slots=True)
class Names:
    """What is known while the equations of one section are read: variables, string variables, macros, the sizes of
    dimensions, and a maker of extra lookups.

    `lift` gives a WITH LOOKUP that stands inside a larger expression a variable of its own and returns its name."""

    variables: frozenset[str]
    macros: Container[str]
    lift: Callable[[Lookup], str]
    in_macro: bool = False
    parameters: frozenset[str] = field(default_factory=frozenset)
    sizes: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def settle(raw: Raw, names: Names) -> Right:
    """The right side of an equation with its names settled. Raises Unreadable for what our expressions cannot hold."""
    match raw:
        case VensimNumbers((value,)):
            return Number(value)
        case VensimNumbers() | Lookup() | NoEquation():
            return raw
        case External(kind, arguments):
            return VensimReference(kind, tuple(_text(argument, names) for argument in arguments))
        case VensimText():
            raise Unreadable("a text stands where a number is wanted", "write :IS: for a string variable")
    work: list[tuple[Any, bool]] = [(raw, False)]
    done: list[Any] = []
    while work:
        part, ready = work.pop()
        inside = parts(part)
        if inside and not ready:
            work.append((part, True))
            work.extend((child, False) for child in reversed(inside))
            continue
        first = len(done) - len(inside)
        done[first:] = [_settled(part, done[first:], names, is_root=not work)]
    return done[0]  # type: ignore[no-any-return]


def _text(argument: VensimText | Ref, names: Names) -> str:
    if isinstance(argument, VensimText):
        return argument.value
    if argument.name not in names.texts:
        reason = f"{argument.name} is no string variable"
        raise Unreadable(reason, "write the text in quotes, or define the variable with :IS:")
    return names.texts[argument.name]


def _settled(part: Any, inside: list[Any], names: Names, *, is_root: bool) -> Any:
    match part:
        case Number() | Star() | VensimText() | VensimPoints():
            return part
        case Ref(name):
            return Ref(_name(name, names), tuple(inside))
    numbers = [_expr(value, names) for value in inside] if not isinstance(part, Call) else inside
    match part:
        case Unary(op):
            return Unary(op, numbers[0])
        case Binary(op):
            return Binary(op, numbers[0], numbers[1])
        case Call("with_lookup"):
            return WithLookup(_expr(inside[0], names), inside[1].lookup)
        case Call("integ"):
            if len(inside) != 2:
                raise Unreadable(f"INTEG takes 2 arguments and is given {len(inside)}", "write INTEG(rate, initial)")
            if not is_root:
                raise Unreadable("INTEG stands inside an expression", "give the stock a variable of its own")
            return Integral(_expr(inside[0], names), _expr(inside[1], names))
        case Call(function):
            return _call(function, [_expr(value, names) for value in inside], names)
    raise Unreadable("the right side is no expression")


def _expr(value: Any, names: Names) -> Expr:
    """A part that must be a number: a WITH LOOKUP becomes a call of a lookup of its own."""
    if isinstance(value, WithLookup):
        return Call(names.lift(value.lookup), (value.argument,))
    if isinstance(value, (Number, Ref, Star, Unary, Binary, Call)):
        return value
    if isinstance(value, VensimText):
        raise Unreadable(f"the text '{value.value[:40]}' stands where a number is wanted", "give GET ... a variable of its own")
    raise Unreadable("a part of the equation is no number")


def _name(name: str, names: Names) -> str:
    """A name; inside a macro `Time$` is the model's own Time."""
    return name[:-1].rstrip("_") if names.in_macro and name.endswith("$") and len(name) > 1 else name


# --- functions -------------------------------------------------------------------------------------------------------

Form = Callable[..., Expr]


def _as(name: str, *order: int) -> Form:
    """The built-in of that name with the arguments in another order."""
    return lambda *args: Call(name, tuple(args[number] for number in order) if order else args)


def _delay_n(value: Expr, time: Expr, initial: Expr, order: Expr) -> Expr:
    """Vensim keeps, for each stage, the delay time of when its content came in, and drops stages shorter than a step;
    `vensim_delays` says where neither matters."""
    return Call("delay_n", (value, time, order, initial))


def _with_initial(name: str) -> Form:
    """A delay or smooth with an initial value, which is left out where it is the input itself."""
    return lambda value, time, initial: Call(name, (value, time) if initial == value else (value, time, initial))


_FORMS: Mapping[str, tuple[int, Form]] = {
    "active_initial": (2, _as("active_initial")),
    "delay1": (2, _as("delay1")),
    "delay1i": (3, _with_initial("delay1")),
    "delay3": (2, _as("delay3")),
    "delay3i": (3, _with_initial("delay3")),
    "delay_n": (4, _delay_n),
    "forecast": (3, _as("forecast")),
    "if_then_else": (3, _as("if")),
    "initial": (1, _as("init")),
    "log": (2, lambda value, base: Binary("/", Call("ln", (value,)), Call("ln", (base,)))),
    "max": (2, _as("max")),
    "min": (2, _as("min")),
    "pulse": (2, _as("pulse_width")),
    "pulse_train": (4, _as("pulse_train")),
    "ramp": (3, _as("ramp")),
    "smooth": (2, _as("smth1")),
    "smoothi": (3, _with_initial("smth1")),
    "smooth3": (2, _as("smth3")),
    "smooth3i": (3, _with_initial("smth3")),
    "smooth_n": (4, _as("smthn", 0, 1, 3, 2)),
    "zidz": (2, lambda over, under: Call("xidz", (over, under, Number(0.0)))),
}
"""Vensim functions whose name, number or order of arguments differs from that of our built-in: arguments, and our form."""


def _call(function: str, args: list[Expr], names: Names) -> Expr:
    name = _name(function, names)
    if name in names.variables or name in names.parameters or name in names.macros or name == "lookup":
        return Call(name, tuple(args))
    if name == "elmcount":
        if len(args) != 1 or not isinstance(args[0], Ref) or args[0].name not in names.sizes:
            raise Unreadable("ELMCOUNT takes the name of a subscript range")
        return Unary("+", Number(float(names.sizes[args[0].name])))  # a count, and no parameter that one may set
    if name in _FORMS:
        count, form = _FORMS[name]
        if len(args) != count:
            words = name.replace("_", " ").upper()
            raise Unreadable(f"{words} takes {count} arguments and is given {len(args)}", "correct the arguments")
        made = form(*args)
        return replace(made, function=_free(made.function, names)) if isinstance(made, Call) else made
    return Call(ALIASES.get(name, name), tuple(args))


def _free(name: str, names: Names) -> str:
    """A spelling of a built-in that no macro of the model has taken: INITIAL stays what it is beside a macro INIT."""
    row = find(name)
    spellings = (name, *row.also) if row is not None else (name,)
    return next((spelling for spelling in spellings if spelling not in names.macros), name)


def constant(expr: Expr | None) -> float | None:
    """The number an expression is, if it is one."""
    return expr.value if isinstance(expr, Number) else None
