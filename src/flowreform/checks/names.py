"""Names: what an equation reads must exist, and what it calls must be a function with as many arguments."""

from __future__ import annotations

from collections.abc import Iterator

from flowreform import builtins
from flowreform.builtins import BUILTINS, NOISE_OFF, NOISE_REPAIR, Builtin, Kind
from flowreform.checks.subject import Hints, Line, has_points, lines, sections, spell, warn
from flowreform.errors import Finding, Level, error, shorten
from flowreform.graph import circles
from flowreform.model import Call, Expr, Model, Ref, Role, Star, children, walk
from flowreform.names import why_taken


def names(model: Model) -> Iterator[Finding]:
    """Undefined names, unknown and refused functions, wrong numbers of arguments, macros that call themselves."""
    hints = Hints()
    elements = {element for dimension in model.dimensions.values() for element in dimension.elements}
    for section in sections(model):
        for line in lines(section):
            yield from dict.fromkeys(_of_line(model, line, elements, hints))
    yield from _recursive_macros(model)


def reserved(model: Model) -> Iterator[Finding]:
    """Variables under a name that results need. A stock is kept in every run, which is refused then; others only when asked."""
    for variable in model:
        if reason := why_taken(variable.name):
            if variable.role is not Role.STOCK:
                reason += ": the variable can be neither saved nor set"
            level = Level.ERROR if variable.role is Role.STOCK else Level.WARNING
            yield Finding(level, "reserved-name", model.file, variable.line, variable.name, reason, "rename the variable")


def _of_line(model: Model, line: Line, elements: set[str], hints: Hints) -> Iterator[Finding]:
    stack: list[tuple[Expr, bool]] = [(line.expr, False)]
    while stack:
        part, as_table = stack.pop()
        if isinstance(part, Ref):
            yield from _reference(model, line, part, as_table, elements, hints)
            # A plain name as a subscript is an element or dimension: the rule of subscripts looks at those.
            stack.extend((child, False) for child in part.subscripts if not _plain(child))
            continue
        if isinstance(part, Call):
            yield from _call(model, line, part, hints)
        table = isinstance(part, Call) and part.function == "lookup"
        stack.extend((child, table and at == 0) for at, child in enumerate(children(part)))


def _plain(subscript: Expr) -> bool:
    return isinstance(subscript, Star) or (isinstance(subscript, Ref) and not subscript.subscripts)


def _reference(model: Model, line: Line, ref: Ref, as_table: bool, elements: set[str], hints: Hints) -> Iterator[Finding]:
    name, shown = ref.name, shorten(ref.name)
    variable = line.section.visible.get(name)
    if name in line.section.arguments:
        return
    if variable is not None:
        if as_table and not has_points(variable):
            reason = f"LOOKUP reads {shown}, which has no points"
            yield line.finding(model, "not-a-lookup", reason, "name a graphical function", ref.column)
        elif not as_table and variable.role == "lookup":
            reason = f"{shown} is a lookup and needs the value it is read at"
            yield line.finding(model, "argument-count", reason, f"write {shown}(x)", ref.column)
        return
    if name in model.dimensions or name in elements or _is_element(model, name):
        return
    row = builtins.find(name)
    if row is not None and row.kind is Kind.VALUE:
        return
    if row is not None and row.kind is Kind.REFUSED:
        yield line.finding(model, "refused-function", f"{shown.upper()} is not done here", row.note, ref.column)
    elif row is not None or name in model.macros:
        reason = f"{shown.upper()} is a function and stands here without arguments"
        yield line.finding(model, "argument-count", reason, f"write {shown.upper()}(...)", ref.column)
    else:
        known = (*line.section.visible, *line.section.arguments)
        repair = hints.like(name, known, "define it, or correct the name")
        yield line.finding(model, "undefined-name", f'"{shown}" is not defined', repair, ref.column)


def _is_element(model: Model, name: str) -> bool:
    """Whether a name is an element with its dimension before it: `ward.surgical`."""
    owner, _, inner = name.rpartition(".")
    return owner in model.dimensions and inner in model.dimensions[owner].elements


def _call(model: Model, line: Line, call: Call, hints: Hints) -> Iterator[Finding]:
    name, given, shown = call.function, len(call.args), shorten(call.function).upper()

    def wrong(rule: str, reason: str, repair: str) -> Finding:
        return line.finding(model, rule, reason, repair, call.column)

    macro = model.macros.get(name)
    if macro is not None:
        if given != len(macro.parameters):
            wanted = f"takes {_many(len(macro.parameters))} ({', '.join(macro.parameters)})"
            yield wrong("argument-count", f"macro {shown} {wanted} and is given {given}", "give it one value for each")
        return
    row = builtins.find(name)
    variable = line.section.visible.get(name)
    if variable is not None and (has_points(variable) or row is None):
        if not has_points(variable):
            reason = f"{shorten(name)} is a{'n' * (variable.role[0] == 'a')} {variable.role}, not a function"
            inside = spell(call.args[0], 30) if given else "..."
            yield wrong("not-a-function", reason, f"to multiply, write {shorten(name)} * ({inside})")
        elif given != 1:
            yield wrong("argument-count", f"lookup {shorten(name)} takes 1 argument and is given {given}", "give it one value")
        return
    if name == "range":
        yield wrong("unsupported", "a range of elements (first:last) is not supported", "define a dimension of these elements")
    elif row is None:
        callable_names = [item.name for item in BUILTINS.values() if item.kind not in (Kind.REFUSED, Kind.VALUE)]
        lookups = [item.name for item in line.section.visible.values() if has_points(item)]
        repair = hints.like(name, (*callable_names, *model.macros, *lookups), "use a function that there is, or write it out")
        yield wrong("unknown-function", f"there is no function {shown}", repair)
    elif row.kind is Kind.REFUSED:
        yield wrong("refused-function", f"{shown} is not done here", row.note)
    elif not row.takes(given):
        yield wrong("argument-count", f"{shown} takes {_wanted(row)} and is given {given}", _shape(row, shown))
    elif row.kind is Kind.RANDOM and model.noise_seed is None:
        yield wrong("refused-function", f"{shown} is not done here: {NOISE_OFF}", NOISE_REPAIR)


def _wanted(row: Builtin) -> str:
    if row.most is None:
        return f"at least {_many(row.least)}"
    return _many(row.least) if row.least == row.most else f"{row.least} to {_many(row.most)}"


def _many(count: int) -> str:
    return f"{count} argument{'s' * (count != 1)}"


def _shape(row: Builtin, shown: str) -> str:
    """How a call is written: DELAY3(input, time, initial)."""
    must, may = row.words[: row.least], row.words[row.least :]
    return f"write {shown}({', '.join(must)}{', ...' * row.repeats}){' or add ' + ', '.join(may) if may else ''}"


def _recursive_macros(model: Model) -> Iterator[Finding]:
    """Macros that call themselves, through others too."""
    graph: dict[str, dict[str, None]] = {}
    for section in sections(model):
        if section.macro is not None:
            calls = (part.function for line in lines(section) for part in walk(line.expr) if isinstance(part, Call))
            graph[section.macro.name] = dict.fromkeys(name for name in calls if name in model.macros)
    for circle in circles(graph):
        path = " -> ".join((*circle, circle[0]))
        macro = model.macros[circle[0]]
        repair = "a macro must end: write the loop with a stock"
        yield error(
            "recursive-macro", f"the macro calls itself: {path}", repair, file=model.file, line=macro.line, element=macro.name
        )


def clashes(model: Model) -> Iterator[Finding]:
    """A variable that shares its name with a dimension or an element: as a subscript it could mean either."""
    elements = {element: dimension for dimension in model.dimensions.values() for element in dimension.elements}
    for variable in model:
        if variable.name in model.dimensions:
            what = "a dimension"
        elif variable.name in elements:
            what = f"an element of dimension {elements[variable.name].label}"
        else:
            continue
        yield warn(model, variable, "name-clash", f"{what} has the same name", "rename one")
