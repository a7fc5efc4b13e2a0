"""The variables of one section of a Vensim file (the model, or a macro) from its parsed equations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from flowreform.errors import Finding, error, shorten, warning
from flowreform.formats.limits import Limits, how_to_raise
from flowreform.formats.vensim_dimensions import Wrong, cells, covering, members
from flowreform.formats.vensim_equations import (
    NoEquation,
    Several,
    Unreadable,
    VensimEquation,
    VensimNumbers,
    VensimText,
    without_results,
)
from flowreform.formats.vensim_expr import Integral, Names, Right, VensimReference, WithLookup, constant, settle
from flowreform.formats.vensim_text import VensimEntry, squeeze
from flowreform.model import (
    Call,
    Dimension,
    Equation,
    Expr,
    Lookup,
    Number,
    Ref,
    Role,
    Variable,
    canonical,
    fold,
    names_in,
    rebuilt,
)

Load = Callable[[VensimReference, str | None, list[tuple[str, ...]]], list[Number | Lookup]]
"""Reads a GET ... reference: the reference, the data keyword and the elements it fills; a number or lookup for each."""

CONTROLS = ("initial_time", "final_time", "time_step", "saveper")


@dataclass(frozen=True, slots=True)
class Piece:
    """One equation of a variable before its role is known; `net` is the rate of a stock."""

    entry: VensimEntry
    equation: Equation
    right: Right
    net: Equation | None = None
    is_lookup: bool = False


Pair = tuple[VensimEntry, VensimEquation | Unreadable]
"""An entry with its parsed equation, or with what is wrong with it."""


@dataclass(slots=True)
class Draft:
    """A variable while its equations are gathered."""

    name: str
    label: str
    results: list[tuple[VensimEntry, VensimEquation]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Built:
    """A variable with the rates of its equations, one per equation, if it is a stock."""

    variable: Variable
    nets: tuple[Equation, ...] = ()


@dataclass(slots=True)
class VensimSection:
    """What the equations of one section share, and the findings that gather."""

    file: str
    dimensions: Mapping[str, Dimension]
    elements: Mapping[str, str]
    limits: Limits
    load: Load
    macros: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    in_macro: bool = False
    findings: list[Finding] = field(default_factory=list)
    without_data: dict[str, VensimEntry] = field(default_factory=dict)
    """Data variables that have no data, by canonical name."""

    def fault(self, entry: VensimEntry, element: str, reason: str, repair: str = "", rule: str = "equation") -> None:
        self.findings.append(error(rule, reason, repair, file=self.file, line=entry.line, element=element))


def label_of(text: str) -> str:
    """A name as a reader of the model knows it: quotes off, underscores left alone."""
    plain = squeeze(text)
    return plain[1:-1].replace('\\"', '"') if len(plain) > 1 and plain[0] == plain[-1] == '"' else plain


def build(section: VensimSection, pairs: Sequence[Pair]) -> dict[str, Built]:
    """Every variable of a section, by canonical name in file order; faults go to the section's findings."""
    drafts: dict[str, Draft] = {}
    texts: dict[str, str] = {}
    for entry, written in _spread(section, pairs):
        name = canonical(written.name)
        if len(name) > section.limits.name_characters:
            reason = f"the name has {len(name):,} characters, the limit is {section.limits.name_characters:,}"
            section.fault(entry, name, reason, f"shorten it, or {how_to_raise('name_characters')}", "limit")
        elif isinstance(written.right, VensimText):
            texts[name] = written.right.value
        else:
            drafts.setdefault(name, Draft(name, label_of(written.name))).results.append((entry, written))
    _report_unwritten(section, drafts.values())
    known = frozenset(drafts)
    built: dict[str, Built] = {}
    for draft in drafts.values():
        built.update(_variable(section, draft, known, texts))
    return built


def _spread(section: VensimSection, pairs: Sequence[Pair]) -> Iterator[tuple[VensimEntry, VensimEquation]]:
    """The equations of a section: reality checks left out, and what a macro gives beside its own result as equations."""
    for entry, written in pairs:
        if isinstance(written, Unreadable):
            section.fault(entry, _left(entry.equation), written.reason, written.repair, "syntax")
            continue
        if written.kind == "check":
            continue
        calls: list[Several] = []
        right = without_results(written.right, calls) if ":" in written.text else written.right
        yield entry, written if right is written.right else replace(written, right=right)
        for several in calls:
            names = section.macros.get(several.call.function, ())
            if len(names) != len(several.results):
                reason = f"{several.call.function} is called for {len(several.results)} further results and has {len(names)}"
                section.fault(entry, label_of(written.name), reason, "name one variable for each result of the macro")
                continue
            for macro, result in zip(names, several.results, strict=True):
                if not isinstance(result, Ref):
                    section.fault(entry, label_of(written.name), "a further result of a macro is no variable", "write its name")
                    continue
                sides = tuple(side.name for side in result.subscripts if isinstance(side, Ref))
                yield (
                    entry,
                    VensimEquation("equation", result.name, sides, right=Call(macro, several.call.args), text=written.text),
                )


def _report_unwritten(section: VensimSection, drafts: Iterable[Draft]) -> None:
    """One finding for all equations that are not written yet."""
    unwritten = [
        (draft.label, entry)
        for draft in drafts
        for entry, written in draft.results
        if isinstance(written.right, NoEquation) and written.right.kind == "unwritten"
    ]
    if unwritten:
        names = ", ".join(dict.fromkeys(label for label, _ in unwritten))
        reason = f"not written yet (A FUNCTION OF): {shorten(names, 200)}"
        section.fault(unwritten[0][1], unwritten[0][0], reason, "write the equations in Vensim", "unfinished")


def _left(equation: str) -> str:
    return equation.split("=")[0].split("(")[0].strip()[:60]


def _variable(section: VensimSection, draft: Draft, known: frozenset[str], texts: Mapping[str, str]) -> dict[str, Built]:
    """A variable, and the lookups that stood inside its equations."""
    entry = draft.results[0][0]
    lifted: dict[str, Built] = {}

    def lift(lookup: Lookup) -> str:
        number = len(lifted) + 1
        label = f"{draft.label} lookup {number}"
        while canonical(label) in known:
            number += 1
            label = f"{draft.label} lookup {number}"
        name = canonical(label)
        equation = Equation("WITH LOOKUP", None, entry.line, (), lookup)
        doc = f"Points written inside the equation of {draft.label}."
        lifted[name] = Built(Variable(name, label, Role.LOOKUP, (equation,), (), None, doc, group=_group(entry), line=entry.line))
        return name

    sizes = {name: len(dimension.elements) for name, dimension in section.dimensions.items()}
    names = Names(known, section.macros, lift, section.in_macro, section.parameters, sizes, texts)
    pieces: list[Piece] = []
    for here, written in draft.results:
        try:
            pieces.extend(_pieces(section, draft, here, written, names))
        except Unreadable as fault:
            section.fault(here, draft.label, fault.reason, fault.repair)
        except Wrong as fault:
            section.fault(here, draft.label, fault.reason, fault.repair, "subscripts")
    if not pieces:
        return {}
    try:
        return {**lifted, **_assembled(section, draft, pieces, known)}
    except Wrong as fault:
        section.fault(entry, draft.label, fault.reason, fault.repair, "subscripts")
        return {}


def _group(entry: VensimEntry) -> str | None:
    return canonical(entry.group) if entry.group else None


def _pieces(section: VensimSection, draft: Draft, entry: VensimEntry, written: VensimEquation, names: Names) -> list[Piece]:
    """The equations one entry stands for: usually one, one per element for lists of numbers and data."""
    sides = tuple(canonical(side) for side in written.subscripts)
    exceptions = tuple(tuple(canonical(side) for side in group) for group in written.exceptions)
    text = written.text
    right = _remembering(settle(written.right, names), draft.name)
    if any(len(group) != len(sides) for group in exceptions):
        raise Wrong("an exception has not as many subscripts as the left side", "name one for each")

    def equation(
        expr: Expr | None, lookup: Lookup | None = None, at: tuple[str, ...] = sides, initial: Expr | None = None
    ) -> Equation:
        return Equation(text, expr, entry.line, at, lookup, initial, exceptions if at == sides else ())

    match right:
        case NoEquation():
            if right.kind == "data":
                section.without_data[draft.name] = entry
            return []
        case Lookup():
            _warn_of_one_point(section, entry, draft.label, right)
            return [Piece(entry, equation(None, right), right, is_lookup=True)]
        case Integral(net, initial):
            rate, begin = arguments_of(text)
            first = replace(equation(initial), text=begin)
            return [Piece(entry, first, right, replace(equation(net), text=rate))]
        case WithLookup(argument, lookup):
            _warn_of_one_point(section, entry, draft.label, lookup)
            return [Piece(entry, equation(argument, lookup), right)]
        case VensimNumbers(values):
            places = cells(sides, section.dimensions, section.elements)
            if len(places) != len(values):
                raise Wrong(f"{len(values)} numbers are given for {len(places)} elements", "give one number for each element")
            left_out = {cell for group in exceptions for cell in cells(group, section.dimensions, section.elements)}
            return [
                Piece(entry, Equation(f"{value:g}", Number(value), entry.line, at), Number(value))
                for at, value in zip(places, values, strict=True)
                if at not in left_out
            ]
        case VensimReference():
            places = cells(sides, section.dimensions, section.elements)
            loaded = section.load(right, written.keyword, places)
            return [_external(entry, equation, at, item, right) for at, item in zip(places, loaded, strict=True)]
        case Call("active_initial", (value, initial)):
            return [Piece(entry, equation(value, initial=initial), right)]
    if written.kind == "lookup":
        raise Unreadable("a lookup needs points")
    return [Piece(entry, equation(right), right)]


def _remembering(right: Right, name: str) -> Right:
    """A variable that is a SAMPLE IF TRUE and reads itself inside reads what it holds: its value of the step before."""
    if not isinstance(right, Call) or right.function != "sample_if_true" or name not in names_in(right):
        return right
    condition, value, initial = right.args

    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        again = rebuilt(part, inside)
        return Call("previous", (again, initial)) if isinstance(again, Ref) and again.name == name else again

    return Call(right.function, (fold(condition, combine), fold(value, combine), initial))


def _external(
    entry: VensimEntry, equation: Callable[..., Equation], at: tuple[str, ...], item: Number | Lookup, right: VensimReference
) -> Piece:
    if isinstance(item, Number):
        return Piece(entry, equation(item, at=at), item)
    if right.kind == "lookups":
        return Piece(entry, equation(None, item, at=at), item, is_lookup=True)
    return Piece(entry, equation(Ref("time"), item, at=at), right)


def _warn_of_one_point(section: VensimSection, entry: VensimEntry, label: str, lookup: Lookup) -> None:
    if len(lookup.x) == 1:
        reason = f"the lookup has one point and is {lookup.y[0]:g} everywhere"
        section.findings.append(
            warning("lookup-points", reason, "add points, or write a constant", file=section.file, line=entry.line, element=label)
        )


def arguments_of(text: str) -> tuple[str, str]:
    """The two arguments of a call such as `INTEG(a - b, 3)`, as written."""
    inside = text[text.find("(") + 1 : text.rfind(")")]
    depth, quoted = 0, False
    for position, character in enumerate(inside):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "([":
            depth += 1
        elif not quoted and character in ")]":
            depth -= 1
        elif not quoted and character == "," and depth == 0:
            return inside[:position].strip(), inside[position + 1 :].strip()
    return inside.strip(), ""


def _assembled(section: VensimSection, draft: Draft, pieces: list[Piece], known: frozenset[str]) -> dict[str, Built]:
    """A variable from its equations. Where some elements are stocks and the others are not, the stocks become a variable of
    their own that the elements read."""
    stocks = [piece for piece in pieces if piece.net is not None]
    if not stocks or len(stocks) == len(pieces) or any(piece.is_lookup for piece in pieces):
        return {draft.name: _assemble(section, draft, pieces)}
    label, number = f"{draft.label} stock", 2
    while canonical(label) in known:
        label, number = f"{draft.label} stock {number}", number + 1
    name = canonical(label)
    still = Number(0.0)
    rest = [
        replace(
            piece,
            equation=replace(piece.equation, text="0", expr=still, lookup=None, initial=None),
            right=still,
            net=replace(piece.equation, text="0", expr=still, lookup=None, initial=None),
        )
        for piece in pieces
        if piece.net is None
    ]
    made = _assemble(section, Draft(name, label, draft.results), [*stocks, *rest])
    reads = [
        replace(piece, equation=replace(piece.equation, expr=Ref(name, tuple(map(Ref, piece.equation.subscripts)))), net=None)
        if piece.net is not None
        else piece
        for piece in pieces
    ]
    doc = f"Those elements of {draft.label} that are stocks; the others stay 0 here."
    stock = replace(made, variable=replace(made.variable, doc=doc))
    return {draft.name: _assemble(section, draft, reads), name: stock}


def _fitted(equation: Equation, dimensions: tuple[str, ...], section: VensimSection) -> Equation:
    """The equation with its exceptions cut down to the elements that the variable has: others may be named there too."""
    if not equation.exceptions:
        return equation
    fitted: list[tuple[str, ...]] = []
    for exception in equation.exceptions:
        columns = []
        for name, dimension in zip(exception, dimensions, strict=True):
            mine = section.dimensions[dimension].elements
            there = members(name, section.dimensions, section.elements)
            columns.append((name,) if set(there) <= set(mine) else tuple(item for item in there if item in mine))
        fitted.extend(product(*columns))
    return replace(equation, exceptions=tuple(fitted))


def _assemble(section: VensimSection, draft: Draft, pieces: list[Piece]) -> Built:
    """One variable from its equations: dimensions, role, text."""
    first = pieces[0]
    width = len(first.equation.subscripts)
    for piece in pieces:
        if len(piece.equation.subscripts) != width:
            raise Wrong("its equations have different numbers of subscripts", "give every left side the same dimensions")
    if width == 0 and len(draft.results) > 1:
        lines = ", ".join(str(entry.line) for entry, _ in draft.results)
        raise Wrong(f"the variable is defined more than once, on lines {lines}", "remove all but one")
    columns = zip(*(piece.equation.subscripts for piece in pieces), strict=True) if width else ()
    dimensions = tuple(covering(tuple(column), section.dimensions, section.elements) for column in columns)
    lookups = [piece.is_lookup for piece in pieces]
    stocks = [piece.net is not None for piece in pieces]
    if any(lookups) != all(lookups):
        raise Wrong("some of its equations are lookups and some are not", "give them variables of their own")
    equations = tuple(_fitted(piece.equation, dimensions, section) for piece in pieces)
    nets = tuple(_fitted(piece.net, dimensions, section) for piece in pieces if piece.net is not None)
    if len(equations) == 1 and equations[0].subscripts == dimensions and not equations[0].exceptions:
        equations = (replace(equations[0], subscripts=()),)
        nets = tuple(replace(net, subscripts=()) for net in nets)
    role = Role.AUXILIARY
    if all(lookups):
        role = Role.LOOKUP
    elif all(stocks):
        role = Role.STOCK
    elif all(constant(eq.expr) is not None and eq.lookup is None and eq.initial is None for eq in equations):
        role = Role.PARAMETER
    told = [entry for entry, _ in draft.results]
    units = next((entry.units for entry in reversed(told) if entry.units), None)
    doc = next((entry.doc for entry in reversed(told) if entry.doc), "")
    low_high = next((entry.range for entry in reversed(told) if entry.range != (None, None)), (None, None))
    variable = Variable(
        draft.name, draft.label, role, equations, dimensions, units, doc, low_high, _group(first.entry), first.entry.line
    )
    return Built(variable, nets)
