"""From the translator's syntax trees to our expressions, and from Vensim's functions to our built-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowreform.builtins import ALIASES
from flowreform.formats.limits import how_to_raise
from flowreform.model import Binary, Call, Expr, Lookup, Number, Ref, Star, Unary, canonical


class Unreadable(Exception):
    """An equation with no meaning for us: `reason` and `repair`."""

    def __init__(self, reason: str, repair: str = "") -> None:
        super().__init__(reason)
        self.reason, self.repair = reason, repair


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
class External:
    """`GET XLS ...` or `GET DIRECT ...`: kind "constants", "lookups" or "data", and its texts (file, tab, cells)."""

    kind: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A list of numbers that fills an array, last subscript fastest."""

    values: tuple[float, ...]


class NoData:
    """A data variable without data."""


Right = Expr | Integral | WithLookup | External | Numbers | Lookup | NoData
"""What may stand on the right side of an equation."""


@dataclass(slots=True)
class Names:
    """What is known while the equations of one section are read: variables, macros, the sizes of dimensions, and a maker
    of extra lookups.

    `lift` gives a WITH LOOKUP that stands inside a larger expression a variable of its own and returns its name."""

    variables: frozenset[str]
    macros: frozenset[str]
    lift: Callable[[Lookup], str]
    in_macro: bool = False
    parameters: frozenset[str] = field(default_factory=frozenset)
    nesting: int = 400
    sizes: Mapping[str, int] = field(default_factory=dict)


def convert(nodes: list[list[Any]], names: Names) -> Right:
    """The right side of an equation from the child's nodes, children first.

    Raises Unreadable for what our expressions cannot hold."""
    values: list[Any] = []
    depths: list[int] = []
    for position, node in enumerate(nodes):
        below = _children(node)
        chained = len(below) - 2 if node[0] in ("ArithmeticStructure", "LogicStructure") else 0
        depths.append(1 + max(chained, 0) + max((depths[child] for child in below), default=0))
        if depths[-1] > names.nesting:
            raise Unreadable(f"operators and brackets stand more than {names.nesting} levels deep", how_to_raise("nesting"))
        values.append(_node(node, values, names, is_root=position == len(nodes) - 1))
    root = values[-1]
    if isinstance(root, (str, list)) or root is None:
        raise Unreadable("the right side is no expression")
    return root  # type: ignore[no-any-return]


def _children(node: list[Any]) -> list[int]:
    """The positions of a node's parts."""
    if node[0] in ("number", "text", "none", "numbers", "reference", "lookup"):
        return []
    return list(node[1] if node[0] == "list" else node[2])


def _node(node: list[Any], values: list[Any], names: Names, *, is_root: bool) -> Any:
    kind = node[0]
    if kind == "number":
        return Number(node[1])
    if kind == "text":
        return str(node[1])
    if kind == "none":
        return None
    if kind == "numbers":
        if not is_root:
            raise Unreadable("a list of numbers stands inside an expression", "give it an arrayed variable of its own")
        return Number(node[1][0]) if len(node[1]) == 1 else Numbers(tuple(node[1]))
    if kind == "list":
        return [values[child] for child in node[1]]
    if kind == "reference":
        return _reference(node[1], node[2], names)
    if kind == "lookup":
        return make_lookup(node[1], node[2])
    if kind == "call":
        return _call(node[1], [_expr(values[child], names) for child in node[2]], node[3], names)
    children = [values[child] for child in node[2]]
    if kind == "ArithmeticStructure":
        return _arithmetic(node[1], [_expr(child, names) for child in children])
    if kind == "LogicStructure":
        return _logic(node[1], [_expr(child, names) for child in children])
    return _structure(kind, children, names, is_root=is_root)


def _expr(value: Any, names: Names) -> Expr:
    """A part that must be a number: a WITH LOOKUP becomes a call of a lookup of its own."""
    if isinstance(value, WithLookup):
        return Call(names.lift(value.lookup), (value.argument,))
    if isinstance(value, (Number, Ref, Star, Unary, Binary, Call)):
        return value
    if isinstance(value, str):
        raise Unreadable(f"the text '{value[:40]}' stands where a number is wanted")
    if isinstance(value, Integral):
        raise Unreadable("INTEG stands inside an expression", "give the stock a variable of its own")
    if isinstance(value, External):
        raise Unreadable(f"GET {value.kind.upper()} stands inside an expression", "give it a variable of its own")
    raise Unreadable("a part of the equation is no number")


def make_lookup(x: list[float], y: list[float]) -> Lookup:
    """A lookup from points sorted by x; a point given twice counts once.

    Raises Unreadable where one x has two values of y."""
    points: list[tuple[float, float]] = []
    for pair in zip(x, y, strict=True):
        if points and pair[0] == points[-1][0]:
            if pair[1] != points[-1][1]:
                raise Unreadable(f"the lookup has two values at x = {pair[0]:g}", "keep one, or move one of them a little")
            continue
        points.append(pair)
    return Lookup(tuple(point[0] for point in points), tuple(point[1] for point in points))


# --- names and operators ---------------------------------------------------------------------------------------------


def _name(text: str, names: Names) -> str:
    """A canonical name; inside a macro `Time$` is the model's own Time."""
    name = canonical(text)
    return name[:-1].rstrip("_") if names.in_macro and name.endswith("$") and len(name) > 1 else name


def _subscript(text: str) -> Expr:
    plain = text.strip()
    return Star(canonical(plain[:-1])) if plain.endswith("!") else Ref(canonical(plain))


def _reference(name: str, subscripts: list[str] | None, names: Names) -> Ref:
    return Ref(_name(name, names), tuple(_subscript(item) for item in subscripts or ()))


_LOGIC = {":and:": "and", ":or:": "or"}


def _arithmetic(operators: list[str], args: list[Expr]) -> Expr:
    if operators == ["negative"]:
        return Number(-args[0].value) if isinstance(args[0], Number) else Unary("-", args[0])
    if operators[0] == "^":  # from the right: 2^3^2 is 2^(3^2)
        result = args[-1]
        for left in reversed(args[:-1]):
            result = Binary("^", left, result)
        return result
    return _chain(operators, args)


def _logic(operators: list[str], args: list[Expr]) -> Expr:
    plain = [operator.lower() for operator in operators]
    if plain == [":not:"]:
        return Unary("not", args[0])
    return _chain([_LOGIC.get(operator, operator) for operator in plain], args)


def _chain(operators: list[str], args: list[Expr]) -> Expr:
    result = args[0]
    for operator, right in zip(operators, args[1:], strict=True):
        result = Binary(operator, result, right)
    return result


# --- functions -------------------------------------------------------------------------------------------------------

_EXACTLY = {
    "active_initial": 2,
    "elmcount": 1,
    "if_then_else": 3,
    "log": 2,
    "max": 2,
    "min": 2,
    "pulse": 2,
    "pulse_train": 4,
    "ramp": 3,
    "zidz": 2,
}
"""Vensim functions whose number of arguments differs from that of our row, or that are rewritten here."""


def _call(name: str, args: list[Expr], subscripts: list[str] | None, names: Names) -> Expr:
    function = _name(name, names)
    if function in names.variables or function in names.parameters:
        if subscripts is None:
            return Call(function, tuple(args))
        return Call("lookup", (_reference(name, subscripts, names), *args))
    if function in names.macros:
        return Call(function, tuple(args))
    if function in _EXACTLY and len(args) != _EXACTLY[function]:
        raise Unreadable(f"{name.replace('_', ' ').upper()} takes {_EXACTLY[function]} arguments and is given {len(args)}")
    match function:
        case "log":  # LOG(x, base)
            return Binary("/", Call("ln", (args[0],)), Call("ln", (args[1],)))
        case "zidz":
            return Call("xidz", (*args, Number(0.0)))
        case "pulse":
            return Call("pulse_width", tuple(args))
        case "pulse_train":  # the translator hands the second and third argument over in each other's place
            return Call("pulse_train", (args[0], args[2], args[1], args[3]))
        case "elmcount":
            if not isinstance(args[0], Ref) or args[0].name not in names.sizes:
                raise Unreadable("ELMCOUNT takes the name of a subscript range")
            return Unary("+", Number(float(names.sizes[args[0].name])))  # a count, and no parameter that one may set
    return Call(ALIASES.get(function, function), tuple(args))


def _structure(kind: str, children: list[Any], names: Names, *, is_root: bool) -> Any:
    """The structures that the translator names itself. A delay whose initial value is its input leaves it out."""
    if kind == "InlineLookupsStructure":
        return WithLookup(_expr(children[0], names), children[1])
    if kind == "DataStructure":
        return NoData()
    externals = {"GetConstantsStructure": "constants", "GetLookupsStructure": "lookups", "GetDataStructure": "data"}
    if kind in externals:
        if not all(isinstance(child, str) for child in children):
            raise Unreadable("the arguments of GET ... must be texts in quotes")
        return External(externals[kind], tuple(children))
    if kind == "IntegStructure":
        net, initial = (_expr(child, names) for child in children[:2])
        if not is_root:
            raise Unreadable("INTEG stands inside an expression", "give the stock a variable of its own")
        return Integral(net, initial)
    args = [_expr(child, names) for child in children]
    match kind, args:
        case "GameStructure", [value]:
            return Call("game", (value,))
        case "InitialStructure", [value]:
            return Call("init", (value,))
        case ("DelayStructure" | "SmoothStructure") as which, [value, time, initial, Number(order)]:
            name = f"{'delay' if which == 'DelayStructure' else 'smth'}{order:g}"
            return Call(name, (value, time) if initial == value else (value, time, initial))
        case ("DelayNStructure" | "SmoothNStructure") as which, [value, time, initial, rank]:
            delay = "delayn" if isinstance(time, Number) else "delay_n"  # they differ when the time changes
            return Call(delay if which == "DelayNStructure" else "smthn", (value, time, rank, initial))
        case "DelayFixedStructure", _:
            return Call("delay_fixed", tuple(args))
        case "TrendStructure", _:
            return Call("trend", tuple(args))
        case "ForecastStructure", [value, average, horizon, _]:
            return Call("forecast", (value, average, horizon))
        case "SampleIfTrueStructure", _:
            return Call("sample_if_true", tuple(args))
        case "AllocateAvailableStructure", _:
            return Call("allocate_available", tuple(args))
        case "AllocateByPriorityStructure", _:
            return Call("allocate_by_priority", tuple(args))
    raise Unreadable(f"{kind.removesuffix('Structure')} is not read")


def constant(expr: Expr | None) -> float | None:
    """The number an expression is, if it is one."""
    return expr.value if isinstance(expr, Number) else None
