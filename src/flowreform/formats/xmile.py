"""Reads XMILE 1.0 models: `.xmile`, `.stmx`, `.itmx`, `.xml`, of any vendor and of the years before the standard.

Every fault of a file is found before any is raised. Elements are matched in the namespace of the root, whichever it is;
what a vendor adds in a namespace of its own, and the views, are not part of a model and are skipped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from flowreform.builtins import BUILTINS
from flowreform.errors import shorten
from flowreform.formats.expressions import qualified
from flowreform.formats.limits import Limits, from_environment, how_to_raise
from flowreform.formats.xmile_conveyors import driven_flows, settle_conveyors
from flowreform.formats.xmile_document import Node, Reading, attribute, line_of, load, text_of
from flowreform.formats.xmile_modules import Connect, FlatModules, Module, ModuleSection, flatten
from flowreform.formats.xmile_specs import Behavior, members_of, read_behavior, read_dimensions, read_specs, read_units
from flowreform.formats.xmile_variables import ROLES, Surroundings, is_reference, read_lookup, read_variable
from flowreform.model import Dimension, Equation, Lookup, Macro, Model, Ref, Role, SimSpecs, Variable, canonical

_CYRILLIC = "АаВЕеЅѕІіЈјКМНОоРрСсТУуХхԁһӏ"
_LATIN_FOR_CYRILLIC = "AaBEeSsIiJjKMHOoPpCcTYyXxdhl"
_GREEK = "ΑΒΕΖΗΙΚΜΝΟοΡΤΥΧνι"
_LATIN_FOR_GREEK = "ABEZHIKMNOoPTYXvi"
_TWINS = str.maketrans(_CYRILLIC + _GREEK, _LATIN_FOR_CYRILLIC + _LATIN_FOR_GREEK)


def appearance(label: str) -> str:
    """What a name looks like on the page: compatibility forms and letters of like shape are one."""
    plain = unicodedata.normalize("NFKC", label).translate(_TWINS)
    return " ".join(plain.replace("_", " ").replace("\\n", " ").split()).casefold()


def warn_of_lookalikes(variables: Iterable[Variable], reading: Reading) -> None:
    """One warning for each set of names that differ and look the same."""
    seen: dict[str, list[Variable]] = {}
    for variable in variables:
        if not variable.label.isascii():
            seen.setdefault(appearance(variable.label), [])
    if not seen:
        return
    for variable in variables:
        if (key := appearance(variable.label)) in seen:
            seen[key].append(variable)
    for alike in seen.values():
        if len(alike) > 1:
            first, last = alike[0], alike[-1]
            others = " and ".join(f'"{shorten(other.label)}" of line {other.line}' for other in alike[:-1])
            letter = next((new for old, new in zip(first.label, last.label, strict=False) if old != new), last.label[-1])
            reason = f"the name looks like {others} and is another: it has {unicodedata.name(letter, 'another letter')}"
            reading.warn("lookalike-names", reason, "rename one of them", at=last.line, element=last.label)


# --- reads xmile 1.0 models ------------------------------------------------------------------------------------------


_KNOWN = {*ROLES, "group", "module"}


def read_xmile(path: Path, limits: Limits | None = None) -> Model:
    """The model in an XMILE file.

    `limits` are those of the environment unless given. Raises ModelError with one finding for every fault of the file;
    warnings are in the model's `findings`."""
    bounds = from_environment() if limits is None else limits
    document, data = load(path, bounds)
    root = document.root
    called = frozenset(canonical(node.get("name") or "") for node in root.findall("macro"))
    reading = Reading(str(path), document, bounds, called, _names_of_words(root) | called)
    if root.tag != "xmile":
        tag = shorten(root.tag.rpartition("}")[2])
        repair = "read a file written as XMILE (.xmile, .stmx)"
        reading.fault("wrong-root", f"the root element is {tag}, not xmile", repair, at=root, element=tag)
        reading.raise_faults()
    dimensions = read_dimensions(root, reading)
    behavior = read_behavior(root, Behavior(), reading)
    nodes = root.findall("model")
    main = _main_model(nodes, reading)
    sections = {} if main is None else _sections(nodes, main, dimensions, behavior, reading)
    specs = read_specs([*root.findall("sim_specs"), *(main.findall("sim_specs") if main is not None else ())], reading)
    macros = _macros(root, dimensions, reading)
    units = read_units(root, reading)
    if "" not in sections or specs is None:
        reading.raise_faults()
    assert specs is not None
    _refuse_other_times(nodes, main, specs, reading)
    indexes = frozenset(name for dimension in dimensions.values() for name in (dimension.name, *dimension.elements))
    flat = flatten(sections[""], sections, indexes, reading)
    _require_flows(flat, reading)
    settle_conveyors(flat.variables, reading)
    warn_of_lookalikes(flat.variables.values(), reading)
    reading.raise_faults()
    header = root.find("header")
    name = text_of(header.find("name")) if header is not None else ""
    return Model(
        name=name or (path.parent.name if path.stem == "model" else path.stem) or path.stem,
        specs=specs,
        variables=MappingProxyType(flat.variables),
        dimensions=MappingProxyType(dimensions),
        macros=MappingProxyType(macros),
        unit_aliases=units,
        groups=tuple(flat.groups.items()),
        doc=sections[""].doc or (text_of(header.find("caption")) if header is not None else ""),
        path=path,
        sha256=sha256(data).hexdigest(),
        findings=tuple(reading.findings),
    )


def _names_of_words(root: Node) -> frozenset[str]:
    """The names of several words that an equation may hold: of the file's variables, and of built-ins."""
    own = (canonical(node.get("name") or "") for node in root.iter(*ROLES))
    known = (name for row in BUILTINS.values() for name in (row.name, *row.also))
    return frozenset(name for name in (*own, *known) if "_" in name)


# --- models ----------------------------------------------------------------------------------------------------------


def _main_model(nodes: list[Node], reading: Reading) -> Node | None:
    """The root model: the one without a name, or the only one that no module uses (some programs name it)."""
    if not nodes:
        reading.fault("missing-model", "the file has no model", "add <model> with the variables", at=1, element="model")
        return None
    nameless = [node for node in nodes if not canonical(node.get("name") or "")]
    if len(nameless) > 1:
        reading.fault("several-models", "two models have no name", "name those that modules use", at=nameless[1], element="model")
        return None
    if nameless:
        return nameless[0]
    used = {_model_of(module) for node in nodes for module in _entries(node, "module")}
    free = [node for node in nodes if canonical(node.get("name")) not in used]
    if len(free) == 1:
        return free[0]
    reading.fault(
        "several-models",
        "it is not clear which model is the root",
        "leave the name of the root model out",
        at=nodes[0],
        element="model",
    )
    return None


def _entries(model: Node, *tags: str) -> list[Node]:
    """What stands in a model, or under its `<variables>`, with one of these tags."""
    return [child for owner in (model, *model.findall("variables")) for child in owner if child.tag in tags]


def _model_of(module: Node) -> str:
    return canonical(attribute(module, "model_name") or module.get("name") or "")


def _sections(
    nodes: list[Node], main: Node, dimensions: dict[str, Dimension], behavior: Behavior, reading: Reading
) -> dict[str, ModuleSection]:
    """Every model by its canonical name, the root by an empty one."""
    sections: dict[str, ModuleSection] = {}
    for node in nodes:
        name = "" if node is main else canonical(node.get("name") or "")
        if name in sections:
            reason = f'two models are called "{shorten(name)}"'
            reading.fault("duplicate-model", reason, "rename one", at=node, element=node.get("name", ""))
            continue
        if attribute(node, "resource") is not None:
            reason = "the model stands in another file, which is not supported"
            reading.fault("unsupported", reason, "copy it into this file", at=node, element=node.get("name", ""))
        sections[name] = _section(node, name, dimensions, read_behavior(node, behavior, reading), reading)
    return sections


def _section(node: Node, name: str, dimensions: dict[str, Dimension], behavior: Behavior, reading: Reading) -> ModuleSection:
    lookups: dict[str, Lookup] = {}
    for child in _entries(node, "gf"):
        if child.get("name") and not is_reference(child):
            quiet = Reading(reading.file, reading.document, reading.limits)  # its faults are told when it is read as a variable
            found = read_lookup(child, child.get("name"), quiet)
            if found is not None:
                lookups[canonical(child.get("name"))] = found
    around = Surroundings(reading, dimensions, members_of(dimensions), behavior, lookups)
    variables = _variables(_entries(node, *ROLES), around)
    groups, members = _groups(_entries(node, "group"), reading)
    for owner in node.findall("variables"):
        _refuse_unknown(owner, reading)
    grouped = {key: _in_group(variable, members.get(key)) for key, variable in variables.items()}
    return ModuleSection(name, grouped, _modules(node, variables, reading), groups, text_of(node.find("doc")), line_of(node))


def _variables(nodes: list[Node], around: Surroundings) -> dict[str, Variable]:
    """Variables by canonical name; every second one of a name is a fault that names both lines."""
    reading = around.reading
    if len(nodes) > reading.limits.variables:
        reason = f"the model has {len(nodes):,} variables, the limit is {reading.limits.variables:,}"
        reading.fault("too-many-variables", reason, how_to_raise("variables"), at=nodes[0])
        return {}
    around = replace(around, driven=driven_flows(nodes))
    variables: dict[str, Variable] = {}
    for node in nodes:
        variable = read_variable(node, around)
        if variable is None:
            continue
        first = variables.setdefault(variable.name, variable)
        if first is not variable:
            both = f", first in line {first.line} and again in line {variable.line}"
            reason = f"it is defined twice{both if first.line != variable.line else ''}"
            reading.fault("duplicate-variable", reason, "rename one or delete it", at=node, element=variable.label)
    return variables


def _in_group(variable: Variable, group: str | None) -> Variable:
    return replace(variable, group=group) if group else variable


def _refuse_unknown(owner: Node, reading: Reading) -> None:
    """A thing with an equation that is none of the known kinds would be lost without a word."""
    for child in owner:
        if child.tag not in _KNOWN and not child.tag.startswith("{") and child.find("eqn") is not None:
            hint = reading.like(child.tag, _KNOWN) or f"known are {', '.join(sorted(_KNOWN))}"
            reading.fault(
                "unknown-kind",
                f"there is no kind of variable <{shorten(child.tag)}>",
                hint,
                at=child,
                element=child.get("name", ""),
            )


def _groups(nodes: list[Node], reading: Reading) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    """Groups as canonical name and label, and the group of each member; the first group of a variable is its own."""
    groups: dict[str, str] = {}
    members: dict[str, str] = {}
    for node in nodes:
        name = reading.name(node, "group")
        if name:
            groups.setdefault(name, node.get("name"))
            for child in node:
                if child.tag in {"entity", "var", "item"}:
                    members.setdefault(canonical(child.get("name") or text_of(child)), name)
    return tuple(groups.items()), members


def _modules(model: Node, variables: dict[str, Variable], reading: Reading) -> dict[str, Module]:
    modules: dict[str, Module] = {}
    for node in _entries(model, "module"):
        name = reading.name(node, "module")
        if not name:
            continue
        label = node.get("name")
        if attribute(node, "resource") is not None:
            reason = "the module's model stands in another file, which is not supported"
            reading.fault("unsupported", reason, "copy it into this file", at=node, element=label)
        first = modules.get(name) or variables.get(name)
        if first:
            reason = f"the name is taken in line {first.line}"
            reading.fault("duplicate-variable", reason, "rename one", at=node, element=label)
        connects = []
        for child in node.findall("connect"):
            to, source = child.get("to") or "", child.get("from") or ""
            if to.strip() and source.strip():
                connects.append(Connect(qualified(to), qualified(source), line_of(child)))
            else:
                reading.fault("bad-connect", "a connection lacks its to or its from", "write both", at=child, element=label)
        modules[name] = Module(name, label, _model_of(node), tuple(connects), line_of(node))
    return modules


def _refuse_other_times(nodes: list[Node], main: Node | None, specs: SimSpecs, reading: Reading) -> None:
    for node in nodes:
        own = node.findall("sim_specs")
        if node is main or not own:
            continue
        inner = read_specs(own, reading)
        if inner is not None and (inner.start, inner.stop, inner.dt, inner.method) != (
            specs.start,
            specs.stop,
            specs.dt,
            specs.method,
        ):
            reason = "a module with a time of its own is not supported"
            reading.fault("unsupported", reason, "delete its <sim_specs>", at=own[0], element=node.get("name", ""))


def _require_flows(flat: FlatModules, reading: Reading) -> None:
    """Every inflow and outflow of a stock is a flow; an auxiliary that is one is made one."""
    names = [name for name, variable in flat.variables.items() if variable.role is Role.FLOW]
    for stock in list(flat.variables.values()):
        for tag, flows in (("inflow", stock.inflows), ("outflow", stock.outflows)):
            for flow in flows:
                found = flat.variables.get(flow)
                if found is None:
                    hint = reading.like(flow, names) or "add a flow of this name, or take it out"
                    reason = f'the {tag} "{shorten(flow)}" is not defined'
                    reading.fault("undefined-flow", reason, hint, at=stock.line, element=stock.label)
                elif found.role in {Role.AUXILIARY, Role.PARAMETER}:
                    flat.variables[flow] = replace(found, role=Role.FLOW)
                    reason = f'it is written as an auxiliary and is an {tag} of "{shorten(stock.label)}": it is read as a flow'
                    reading.warn("auxiliary-as-flow", reason, "write it as <flow>", at=found.line, element=found.label)
                elif found.role is not Role.FLOW:
                    reason = f'the {tag} "{shorten(found.label)}" is not a flow: its role is {found.role}'
                    reading.fault("undefined-flow", reason, "define it as <flow>", at=stock.line, element=stock.label)


# --- macros ----------------------------------------------------------------------------------------------------------


def _macros(root: Node, dimensions: dict[str, Dimension], reading: Reading) -> dict[str, Macro]:
    """The macros of a file (section 4.8). Its `<eqn>` becomes a variable of the macro's own name, the result."""
    macros: dict[str, Macro] = {}
    for node in root.findall("macro"):
        name = reading.name(node, "macro")
        if not name:
            continue
        label = node.get("name")
        if name in macros:
            reason = f"the macro is defined twice, first in line {macros[name].line}"
            reading.fault("duplicate-macro", reason, "rename one or delete it", at=node, element=label)
            continue
        if node.find("sim_specs") is not None:
            reason = "a macro with a time of its own is not supported"
            reading.fault("unsupported", reason, "delete its <sim_specs>", at=node, element=label)
        macros[name] = Macro(
            name, _parameters(node, label, reading), *_body(node, name, label, dimensions, reading), line_of(node)
        )
    return macros


def _parameters(node: Node, label: str, reading: Reading) -> tuple[str, ...]:
    names: list[str] = []
    for child in node.findall("parm"):
        parameter = canonical(text_of(child))
        if not parameter or parameter in names:
            reason = f'the parameter "{parameter}" stands twice' if parameter else "a parameter has no name"
            reading.fault("bad-macro", reason, "give each parameter a name of its own", at=child, element=label)
        elif child.get("default") is not None:
            reason = f'the default of parameter "{shorten(parameter)}" is not supported'
            reading.fault("unsupported", reason, "give the value in every call", at=child, element=label)
        names.append(parameter)
    return tuple(names)


def _body(
    node: Node, name: str, label: str, dimensions: dict[str, Dimension], reading: Reading
) -> tuple[tuple[Variable, ...], str]:
    """The variables of a macro and the name of its result."""
    around = Surroundings(reading, dimensions, members_of(dimensions), read_behavior(node, Behavior(), reading), {})
    variables = _variables(_entries(node, *ROLES), around)
    written = node.find("eqn")
    if not text_of(written):
        reading.fault(
            "missing-equation", "the macro has no equation for its result", "write one in <eqn>", at=node, element=label
        )
        return tuple(variables.values()), name
    expr = reading.expression(written, label)
    if isinstance(expr, Ref) and not expr.subscripts and expr.name in variables:
        return tuple(variables.values()), expr.name
    if name in variables:
        reason = f"a variable of the macro, in line {variables[name].line}, has the macro's own name"
        reading.fault("duplicate-variable", reason, "rename it", at=node, element=label)
    result = Variable(
        name, label, Role.AUXILIARY, (Equation(text_of(written), expr, reading.document.place(written)[0]),), line=line_of(node)
    )
    return (*variables.values(), result), name
