"""Writes a model as XMILE 1.0, whatever format it was read from.

Reading what was written gives an equal model (up to `plain`: places in the file and the spelling of equations). Vensim can
say things that XMILE cannot: an equation for part of a dimension, a mapping between dimensions, a constant that flows into a
stock. Those are written out element by element, or with the nearest words; the model then computes the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from flowreform.errors import ModelError, error
from flowreform.files import put, write_file
from flowreform.formats.expressions import NAME, ExpressionError, parse
from flowreform.formats.unfold import unfolded
from flowreform.formats.xmile_document import Node
from flowreform.formats.xmile_views import add_views
from flowreform.model import (
    Binary,
    Call,
    Conveyor,
    Dimension,
    Equation,
    Expr,
    Lookup,
    LookupKind,
    Macro,
    Model,
    Number,
    Ref,
    Role,
    SimSpecs,
    Star,
    Unary,
    Variable,
    canonical,
    deep,
    fold,
    rebuilt,
)

_KEYWORDS = frozenset({"if", "then", "else", "and", "or", "not", "mod"})
_PLAIN = re.compile(NAME)
_LEVELS = {
    "or": 1, "and": 2, "=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "mod": 6, "^": 8,
}  # fmt: skip
_SIGN, _ATOM = 7, 9

Part = tuple[str, int]
"""A text and how tightly its outermost operator binds (9: a number, a name, brackets)."""


def spell(expr: Expr) -> str:
    """The text of an expression, with brackets only where they are needed; `parse` gives the same expression again."""
    return fold(expr, _combine)[0]


def number(value: float) -> str:
    """A number as XMILE writes it, exact to the last bit."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def spell_name(name: str) -> str:
    """A canonical name in an expression: quoted where it is no plain word."""
    if _PLAIN.fullmatch(name) and name not in _KEYWORDS and '"' not in name and not name.startswith("."):
        return name
    escaped = name.replace('"', '\\"')  # `canonical` takes a backslash off before a quote and nowhere else
    return f'"{escaped}"'


def _combine(expr: Expr, inside: tuple[Part, ...]) -> Part:
    match expr:
        case Number(value):
            text = number(value)
            return text, _SIGN if text.startswith("-") else _ATOM
        case Ref(name, subscripts):
            return spell_name(name) + (f"[{', '.join(text for text, _ in inside)}]" if subscripts else ""), _ATOM
        case Star(dimension):
            return "*" if dimension is None else f"{spell_name(dimension)}.*", _ATOM
        case Unary(op, _):
            return f"{'NOT ' if op == 'not' else op}{_in(inside[0], _SIGN)}", _SIGN
        case Binary("^", _, _):
            return f"{_in(inside[0], _ATOM)}^{_in(inside[1], _SIGN)}", _LEVELS["^"]
        case Binary(op, _, _):
            level = _LEVELS[op]
            word = op.upper() if op.isalpha() else op
            return f"{_in(inside[0], level)} {word} {_in(inside[1], level + 1)}", level
        case Call("if", _):
            condition, yes, no = (text for text, _ in inside)
            return f"(IF {condition} THEN {yes} ELSE {no})", _ATOM
        case Call("range", _):
            return f"{inside[0][0]}:{inside[1][0]}", _ATOM
        case Call("lookup", (Ref(_, (_, *_)), _)):
            return f"{inside[0][0]}({inside[1][0]})", _ATOM
        case Call(function, _):
            return f"{spell_name(function)}({', '.join(text for text, _ in inside)})", _ATOM


def _in(part: Part, least: int) -> str:
    text, level = part
    return text if level >= least else f"({text})"


# --- a model ---------------------------------------------------------------------------------------------------------


_SPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
_ISEE = "http://iseesystems.com/XMILE"
OWN_SPACE = "urn:flowreform:xmile"
"""The namespace of what XMILE has no word for: which elements of a dimension stand for those of another."""
_TAGS = {Role.STOCK: "stock", Role.FLOW: "flow", Role.AUXILIARY: "aux", Role.PARAMETER: "aux", Role.LOOKUP: "aux"}
_SUFFIXES = (".xmile", ".stmx", ".xml")


def write_model(model: Model, path: str | Path) -> Path:
    """Write a model as XMILE 1.0, laid out for tools that draw it, and return the path. An existing file is replaced in one step.

    Raises ModelError for a file name that says another format, ExperimentError where the file cannot be written::

        fr.write_model(fr.read_model("care_shift"), "copy.xmile")
    """
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        repair = f"give it a name that ends in {', '.join(_SUFFIXES)}"
        raise ModelError(error("unknown-format", "models are written as XMILE", repair, file=str(target)))
    data = to_xmile(model, views=True)
    write_file(target, lambda temporary: put(temporary, data), size=len(data))
    return target


@deep()
def to_xmile(model: Model, *, views: bool = False) -> bytes:
    """The text of a model as an XMILE file; with `views` also where everything stands in a diagram."""
    from lxml import etree

    root = etree.Element(f"{{{_SPACE}}}xmile", nsmap={None: _SPACE, "isee": _ISEE, "flowreform": OWN_SPACE}, version="1.0")
    header = _add(root, "header")
    _add(header, "vendor", "flowreform")
    _add(header, "product", _version(), version=_version())
    _add(header, "name", model.name)
    _options(header, model)
    _specs(root, model)
    _units(root, model)
    if model.dimensions:
        _dimensions(root, model.dimensions)
    for macro in model.macros.values():
        _macro(root, macro, model)
    body = _add(root, "model")
    if model.doc:
        _add(body, "doc", model.doc)
    variables = _add(body, "variables")
    flows = {name for variable in model for name in (*variable.inflows, *variable.outflows)}
    for variable in model:
        _variable(variables, variable, model, flows)
    _groups(variables, model)
    if views:
        add_views(body, model, {item.name: (label_of(item), spell_name(item.name)) for item in model})
    etree.indent(root, "  ")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def plain(model: Model) -> Model:
    """The model without what belongs to one file: lines, the text of equations, a minus before a number as an operator.

    Two models that are equal like this say the same."""
    return replace(
        model,
        specs=_plain_specs(model),
        variables=MappingProxyType({name: _plain_variable(variable) for name, variable in model.variables.items()}),
        dimensions=MappingProxyType({name: replace(dimension, line=0) for name, dimension in model.dimensions.items()}),
        macros=MappingProxyType({name: _plain_macro(macro) for name, macro in model.macros.items()}),
        unit_aliases=tuple(replace(alias, line=0) for alias in model.unit_aliases),
    )


def _plain_specs(model: Model) -> SimSpecs:
    """To save every step is to say nothing about saving."""
    specs = replace(model.specs, line=0)
    return replace(specs, save_every=None) if specs.save_every is not None and specs.save_every <= specs.dt else specs


def _plain_macro(macro: Macro) -> Macro:
    return replace(macro, line=0, variables=tuple(map(_plain_variable, macro.variables)))


def _plain_variable(variable: Variable) -> Variable:
    conveyor = variable.conveyor and variable.conveyor.mapped(_plain_expr)
    equations = tuple(map(_plain_equation, variable.equations))
    return replace(variable, line=0, doc=_clean(variable.doc), equations=equations, conveyor=conveyor)


def _plain_equation(equation: Equation) -> Equation:
    expr = None if equation.expr is None else _plain_expr(equation.expr)
    initial = None if equation.initial is None else _plain_expr(equation.initial)
    return replace(equation, line=0, text="", expr=expr, initial=initial)


def _plain_expr(expr: Expr) -> Expr:

    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        match part, inside:
            case Unary("-", _), (Number(value),):
                return Number(-value)
            case Unary("+", _), (operand,):
                return operand
            case Number(value), _ if value != value:
                return Ref("nan")
            case _:
                return rebuilt(part, inside)

    return fold(expr, combine)


# --- parts of the file -----------------------------------------------------------------------------------------------


def _version() -> str:
    from flowreform import __version__

    return __version__


def _add(owner: Node, tag: str, text: str | None = None, **attributes: str) -> Node:
    from lxml import etree

    node = etree.SubElement(owner, f"{{{_SPACE}}}{tag}", {name: _clean(value) for name, value in attributes.items()})
    if text is not None:
        node.text = _clean(text)
    return node


def _clean(text: str) -> str:
    """The text without what XML cannot hold: control characters and halves of characters."""
    return "".join(
        character
        for character in text.replace("\r\n", "\n").replace("\r", "\n")
        if character in "\t\n" or (character >= " " and not "\ud800" <= character <= "\udfff" and character not in "\ufffe\uffff")
    )


def _specs(root: Node, model: Model) -> None:
    specs = model.specs
    attributes = {"method": str(specs.method)}
    if specs.time_unit:
        attributes["time_units"] = specs.time_unit
    node = _add(root, "sim_specs", **attributes)
    if specs.save_every is not None:
        node.set(f"{{{_ISEE}}}save_interval", number(specs.save_every))
    for tag, value in (("start", specs.start), ("stop", specs.stop), ("dt", specs.dt)):
        _add(node, tag, number(value))


def _units(root: Node, model: Model) -> None:
    if not model.unit_aliases:
        return
    owner = _add(root, "model_units")
    for unit in model.unit_aliases:
        node = _add(owner, "unit", name=unit.name)
        if unit.equation:
            _add(node, "eqn", unit.equation)
        for alias in unit.aliases:
            _add(node, "alias", alias)


def _dimensions(root: Node, dimensions: Mapping[str, Dimension]) -> None:
    from lxml import etree

    owner = _add(root, "dimensions")
    for dimension in dimensions.values():
        labels = dimension.element_labels or dimension.elements
        numbered = tuple(str(i + 1) for i in range(len(dimension.elements)))
        if dimension.elements == numbered:
            _add(owner, "dim", name=_label(dimension.name, dimension.label), size=str(len(numbered)))
            continue
        node = _add(owner, "dim", name=_label(dimension.name, dimension.label))
        for element, label in zip(dimension.elements, labels, strict=True):
            _add(node, "elem", name=_label(element, label))
        for other, mapped in dimension.mappings:
            etree.SubElement(node, f"{{{OWN_SPACE}}}map", {"to": other}).text = ", ".join(map(spell_name, mapped))


def _label(name: str, label: str) -> str:
    """The label, where it reads as the name; else the name."""
    return label if canonical(_clean(label)) == name else name


def label_of(variable: Variable) -> str:
    """A variable's name as it stands in the file."""
    return _clean(_label(variable.name, variable.label))


def _groups(owner: Node, model: Model) -> None:
    for name, label in model.groups:
        node = _add(owner, "group", name=_label(name, label))
        for variable in model:
            if variable.group == name:
                _add(node, "entity", name=_label(variable.name, variable.label))


def _macro(root: Node, macro: Macro, model: Model) -> None:
    result = next((variable.label for variable in macro.variables if variable.name == macro.name), macro.name)
    node = _add(root, "macro", name=_label(macro.name, result))
    for parameter in macro.parameters:
        _add(node, "parm", parameter)
    own = macro.variables
    last = own[-1] if own else None
    if last is not None and last == Variable(macro.name, last.label, Role.AUXILIARY, last.equations, line=last.line):
        # The macro's result as its <eqn> alone.
        _add(node, "eqn", _text(last.equations[0]))
        own = own[:-1]
    else:
        _add(node, "eqn", spell_name(macro.result))
    if own:
        variables = _add(node, "variables")
        flows = {name for variable in own for name in (*variable.inflows, *variable.outflows)}
        for variable in own:
            _variable(variables, variable, model, flows)


# --- variables -------------------------------------------------------------------------------------------------------


def _variable(owner: Node, variable: Variable, model: Model, flows: Iterable[str]) -> None:
    tag = _TAGS[variable.role]
    if variable.name in flows and variable.role in (Role.AUXILIARY, Role.PARAMETER):
        tag = "flow"
    scalar_lookup = variable.role is Role.LOOKUP and not variable.dimensions
    node = _add(owner, "gf" if scalar_lookup else tag, name=_label(variable.name, variable.label))
    if variable.doc:
        _add(node, "doc", variable.doc)
    if scalar_lookup:
        _points(node, variable.equations[0].lookup)
        if variable.units is not None:
            _add(node, "units", variable.units)
        return
    if variable.dimensions:
        inside = _add(node, "dimensions")
        for name in variable.dimensions:
            _add(inside, "dim", name=_label(name, model.dimensions[name].label))
    _equations(node, variable, model)
    for side, names in (("inflow", variable.inflows), ("outflow", variable.outflows)):
        for name in names:
            _add(node, side, spell_name(name))
    if variable.conveyor is not None:
        _conveyor(node, variable.conveyor)
    if variable.queue:
        _add(node, "queue")
    if variable.overflow:
        _add(node, "overflow")
    if variable.leak is not None:
        node.set("leak_start", number(variable.leak.start))
        node.set("leak_end", number(variable.leak.end))
        _add(node, "leak")
    if variable.non_negative:
        _add(node, "non_negative")
    if variable.units is not None:
        _add(node, "units", variable.units)
    low, high = variable.range
    if low is not None or high is not None:
        sides = {"min": low, "max": high}
        _add(node, "range", **{side: number(value) for side, value in sides.items() if value is not None})


def _options(header: Node, model: Model) -> None:
    """What a reader must be able to do beside the plain."""
    belts = [variable.conveyor for variable in model if variable.conveyor is not None]
    queues = any(variable.queue for variable in model)
    if not belts and not queues:
        return
    options = _add(header, "options")
    if belts:
        sides = {"arrest": any(belt.arrest for belt in belts), "leak": any(variable.leak for variable in model)}
        _add(options, "uses_conveyor", **{name: "true" for name, there in sides.items() if there})
    if queues:
        _add(options, "uses_queue", **({"overflow": "true"} if any(variable.overflow for variable in model) else {}))


def _conveyor(owner: Node, conveyor: Conveyor) -> None:
    node = _add(owner, "conveyor")
    for name in ("discrete", "batch_integrity", "exponential_leak"):
        if getattr(conveyor, name):
            node.set(name, "true")
    if not conveyor.one_at_a_time:
        node.set("one_at_a_time", "false")
    parts = {
        "len": conveyor.length,
        "capacity": conveyor.content_limit,
        "in_limit": conveyor.inflow_limit,
        "sample": conveyor.sample,
        "arrest": conveyor.arrest,
    }
    for tag, expr in parts.items():
        if expr is not None:
            _add(node, tag, spell(expr))


def _equations(node: Node, variable: Variable, model: Model) -> None:
    equations = unfolded(variable, model.dimensions)
    if len(equations) == 1 and (not equations[0].subscripts or equations[0].subscripts == variable.dimensions):
        _equation(node, equations[0])
        return
    first = equations[0]
    if first.exceptions:  # an equation for all elements but those that have one of their own
        _equation(node, first)
        equations = equations[1:]
    for equation in equations:
        element = _add(node, "element", subscript=", ".join(equation.subscripts))
        _equation(element, equation)


def _equation(node: Node, equation: Equation) -> None:
    if equation.expr is not None:
        _add(node, "eqn", _text(equation))
    if equation.initial is not None:
        _add(node, "init_eqn", spell(equation.initial))
    if equation.lookup is not None:
        _points(_add(node, "gf"), equation.lookup)


def _text(equation: Equation) -> str:
    """The equation as the modeller wrote it where that is XMILE and means the same, else spelled anew."""
    assert equation.expr is not None
    try:
        if equation.text and "{" not in equation.text and parse(equation.text) == equation.expr:
            return equation.text
    except ExpressionError:
        pass
    return spell(equation.expr)


def _points(node: Node, lookup: Lookup | None) -> None:
    if lookup is None:
        return
    if lookup.kind is not LookupKind.CONTINUOUS:
        node.set("type", str(lookup.kind))
    _add(node, "xpts", ",".join(map(number, lookup.x)))
    _add(node, "ypts", ",".join(map(number, lookup.y)))


__all__ = ["plain", "to_xmile", "write_model"]
