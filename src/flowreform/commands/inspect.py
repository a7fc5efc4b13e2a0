"""`show`: what a model or an experiment holds, and what one variable is made from."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from flowreform.commands.terminal import print_json, table
from flowreform.commands.terminal import show as put
from flowreform.export.summary import distribution, setting_text
from flowreform.graph import loops_through
from flowreform.kpi import kpi_unit
from flowreform.model import Model, Role, Variable, causes, uses
from flowreform.names import Named, base_values, find
from flowreform.text import exact, number, shown_unit

if TYPE_CHECKING:
    from flowreform.case import Case
    from flowreform.case.uncertainty import Sourced
    from flowreform.experiment import Experiment

KINDS = {"levers": "lever", "uncertainties": "uncertainty", "parameters": "parameter", "exogenous": "fed in"}


def show(name: str, variable: str | None, *, as_json: bool) -> int:
    """Print what a model or an experiment holds, or one variable of it."""
    from flowreform.case import read_case
    from flowreform.experiment import is_experiment
    from flowreform.formats import read_model

    if is_experiment(name):
        from flowreform.experiment import read_experiment

        experiment = read_experiment(name)
        if variable is None:
            show_experiment(experiment, as_json=as_json)
            return 0
        model, case = experiment.model, experiment.case
    else:
        model = read_model(name)
        case = read_case(model)
    if variable is None:
        show_model(name, model, case, as_json=as_json)
    else:
        show_variable(model, case, read_variable(model, variable), as_json=as_json)
    return 0


def model_lines(model: Model, case: Case | None) -> list[str]:
    """What a model is, in a few lines."""
    specs = model.specs
    steps = f"{number(specs.start)} to {number(specs.stop)} {specs.time_unit}, dt {number(specs.dt, 6)}, {specs.method}"
    counts = (f"{len(model.of_role(role))} {role.value}{'s' if role is not Role.AUXILIARY else ' variables'}" for role in Role)
    lines = [case.about.title if case else model.name, case.about.question if case else model.doc, steps, ", ".join(counts)]
    if case and case.calendar:
        lines.append(f"time {number(specs.start)} is {case.calendar.origin}")
    return [line for line in lines if line]


def show_model(name: str, model: Model, case: Case | None, *, as_json: bool) -> None:
    """Print a model, named as the user named it: its stocks, flows and parameters."""
    if as_json:
        print_json(model_json(model, case))
        return
    put(*model_lines(model, case))
    stocks = (
        [item.name, item.units or "", _list(item.inflows), _list(item.outflows), item.doc] for item in model.stocks.values()
    )
    put(table("Stocks", ("name", "unit", "in", "out", "what it is"), stocks))
    flows = ([item.name, item.units or "", item.doc] for item in model.of_role(Role.FLOW).values())
    put(table("Flows", ("name", "unit", "what it is"), flows))
    rows = []
    for item in model.parameters.values():
        kind, about = _provenance(case, item.name)
        source = f"{about.source} ({about.status})" if about else ""
        rows.append([item.name, _value(model, item), item.units or "", _range(item), kind, item.doc, source])
    put(table("Parameters", ("name", "value", "unit", "range", "kind", "what it is", "source"), rows, right=(1,)))
    if case and case.loops:
        claims = ([key, item.kind, item.label, " -> ".join(item.through)] for key, item in case.loops.items())
        put(table("Loops", ("name", "kind", "what it is", "goes through"), claims))
        put(f"`flowreform diagram {name} --loops` has each loop whole; `flowreform loops {name}` says which leads when.")
    put(f"`flowreform diagram {name} -o {_file(name)}.html` draws the model.")
    put(f"`flowreform show {name} VARIABLE` shows an equation, its causes, its uses and the loops through it.")


def _file(name: str) -> str:
    """What a file about a model may be called."""
    return PurePath(name).stem or "model"


def show_variable(model: Model, case: Case | None, named: Named, *, as_json: bool) -> None:
    """Print one variable: its equation, causes, uses and loops."""
    value = variable_json(model, case, named.variable)
    if as_json:
        print_json(value)
        return
    item = named.variable
    dims = f"[{', '.join(item.dimensions)}]" if item.dimensions else ""
    lines = [f"{item.role.value} {item.name}{dims}  [{item.units or 'no unit given'}]  {model.file}:{item.line}", item.doc]
    if item.role is Role.STOCK:
        lines += [f"  initial = {item.text}", f"  in:  {_list(item.inflows)}", f"  out: {_list(item.outflows)}"]
    elif item.text:
        lines.append(f"  = {item.text}")
    for equation in item.equations:
        if equation.lookup:
            points = ", ".join(f"({number(x)}, {number(y)})" for x, y in zip(equation.lookup.x, equation.lookup.y, strict=True))
            lines.append(f"  {equation.lookup.kind.value} through {points}")
    if any(side is not None for side in item.range):
        lines.append(f"  range {_range(item)}")
    kind, about = _provenance(case, item.name)
    if about:
        lines.append(f"  {kind}; source: {about.source} ({about.status})" + (f"; {about.note}" if about.note else ""))
    lines += [f"made from: {_list(value['causes'])}", f"used by:   {_list(value['uses'])}"]
    if value["loops"]:
        lines.append("loops through it (the shortest through each use):")
        lines += [f"  {' -> '.join((*loop, loop[0]))}" for loop in value["loops"]]
    else:
        lines.append("no feedback loop goes through it")
    if value["claimed_loops"]:
        lines.append("loops that the case names through it:")
        lines += [f"  {loop['label'] or loop['name']} ({loop['kind']})" for loop in value["claimed_loops"]]
    if item.role is Role.STOCK and value["loops"]:
        lines.append(f"`flowreform loops {model.name} {item.name}` says which loop drives it when.")
    put(*(line for line in lines if line))


def read_variable(model: Model, text: str) -> Named:
    """The variable a user named.

    Raises ModelError, with the closest names, when there is none."""
    found = find(model, text)
    return found if isinstance(found, Named) else Named(model[text].name, model[text])


def model_json(model: Model, case: Case | None) -> dict[str, Any]:
    """A model for scripts."""
    specs = model.specs
    return {
        "name": model.name,
        "file": model.file,
        "sha256": model.sha256,
        "title": case.about.title if case else None,
        "question": case.about.question if case else None,
        "boundary": case.about.boundary if case else None,
        "start": specs.start,
        "stop": specs.stop,
        "dt": specs.dt,
        "method": specs.method,
        "time_unit": specs.time_unit,
        "dimensions": {name: list(dimension.elements) for name, dimension in model.dimensions.items()},
        "variables": [_entry(model, case, item) for item in model],
        "loops": {key: item.model_dump() for key, item in case.loops.items()} if case else {},
        "kpis": {name: {"label": kpi.label, "unit": kpi.unit, "better": kpi.better} for name, kpi in case.kpis.items()}
        if case
        else {},
    }


def variable_json(model: Model, case: Case | None, item: Variable) -> dict[str, Any]:
    """A variable for scripts, with its place in the structure."""
    graph = causes(model)
    return _entry(model, case, item) | {
        "causes": list(graph[item.name]),
        "uses": list(uses(graph)[item.name]),
        "loops": [list(loop) for loop in loops_through(graph, item.name)],
        "claimed_loops": _claimed(case, item.name),
    }


def _claimed(case: Case | None, name: str) -> list[dict[str, str]]:
    """The loops of the case that are named through a variable."""
    found = case.loops.items() if case else ()
    return [
        {"name": key, "label": loop.label, "kind": loop.kind}
        for key, loop in found
        if name in {text.partition("[")[0] for text in loop.through}
    ]


def _entry(model: Model, case: Case | None, item: Variable) -> dict[str, Any]:
    kind, about = _provenance(case, item.name)
    values = base_values(model, Named(item.name, item)) if item.role is Role.PARAMETER else ()
    return {
        "name": item.name,
        "label": item.label,
        "role": item.role,
        "dimensions": list(item.dimensions),
        "unit": item.units,
        "equation": item.text,
        "value": (values[0] if len(values) == 1 else list(values)) if values else None,
        "range": list(item.range),
        "doc": item.doc,
        "group": item.group,
        "line": item.line,
        "inflows": list(item.inflows),
        "outflows": list(item.outflows),
        "kind": kind or None,
        "source": about.source if about else None,
        "status": about.status if about else None,
        "note": about.note if about else None,
    }


def _provenance(case: Case | None, name: str) -> tuple[str, Sourced | None]:
    """What a parameter is (lever, uncertainty, ...) and what the case says about its number."""
    if case is None:
        return "", None
    for table_name, kind in KINDS.items():
        entries = getattr(case, table_name)
        found = entries.get(name) or next((item for key, item in entries.items() if key.partition("[")[0] == name), None)
        if found is not None:
            return kind, found
    return "", None


def _value(model: Model, item: Variable) -> str:
    return ", ".join(exact(value) for value in base_values(model, Named(item.name, item)))


def _range(item: Variable) -> str:
    low, high = item.range
    if low is None and high is None:
        return ""
    return f"{'..' if low is None else number(low)} to {'..' if high is None else number(high)}"


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "-"


# --- `show` of an experiment -----------------------------------------------------------------------------------------


def show_experiment(experiment: Experiment, *, as_json: bool) -> None:
    """Print an experiment."""
    if as_json:
        print_json(experiment_json(experiment))
        return
    size = f"{len(experiment.scenarios)} scenarios x {experiment.draws} draws ({experiment.design}, seed {experiment.seed})"
    unit = experiment.model.specs.time_unit
    span = f"{number(experiment.start)} to {number(experiment.stop)} {unit}, dt {number(experiment.dt, 6)}"
    lines = [experiment.title, experiment.question, f"model {experiment.model.name}; {size} = {experiment.runs:,} runs"]
    saved = f"{len(experiment.save)} variables saved every {number(experiment.save_every, 6)} {unit}"
    put(*(line for line in lines if line), f"{span}; {saved}")
    scenarios = (
        [name + (" (baseline)" if name == experiment.baseline else ""), item.label, _settings(experiment, name)]
        for name, item in experiment.scenarios.items()
    )
    put(table("Scenarios", ("name", "label", "what it sets"), scenarios))
    inputs = (
        [name, distribution(item), f"{item.source} ({item.status})", _origin(experiment, f"uncertainties.{name}")]
        for name, item in experiment.uncertainties.items()
    )
    put(table("Uncertainties", ("name", "distribution", "source", "stated in"), inputs))
    if experiment.correlations:
        pairs = (
            [" and ".join(item.between), number(item.rank_correlation), f"{item.source} ({item.status})"]
            for item in experiment.correlations
        )
        put(table("Correlations", ("between", "rank correlation", "source"), pairs))
    kpis = (
        [name, item.label, shown_unit(kpi_unit(item, experiment)), item.better, _origin(experiment, f"kpis.{name}")]
        for name, item in experiment.kpis.items()
    )
    put(table("KPIs", ("name", "label", "unit", "better", "stated in"), kpis))


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """An experiment for scripts."""
    from flowreform.experiment import Points

    def plain(value: object) -> object:
        return {"times": value.times, "values": value.values} if isinstance(value, Points) else value

    return {
        "name": experiment.name,
        "file": str(experiment.path) if experiment.path else "",
        "sha256": experiment.sha256,
        "title": experiment.title,
        "question": experiment.question,
        "model": experiment.model.name,
        "start": experiment.start,
        "stop": experiment.stop,
        "dt": experiment.dt,
        "save": list(experiment.save),
        "save_every": experiment.save_every,
        "draws": experiment.draws,
        "design": experiment.design,
        "seed": experiment.seed,
        "baseline": experiment.baseline,
        "scenarios": {
            name: {"label": item.label, "set": {key: plain(value) for key, value in item.settings.items()}}
            for name, item in experiment.scenarios.items()
        },
        "uncertainties": {
            name: item.model_dump(exclude_none=True) | {"stated_in": _origin(experiment, f"uncertainties.{name}")}
            for name, item in experiment.uncertainties.items()
        },
        "correlations": [item.model_dump() for item in experiment.correlations],
        "kpis": {
            name: item.model_dump(by_alias=True, exclude_none=True)
            | {"unit": kpi_unit(item, experiment), "stated_in": _origin(experiment, f"kpis.{name}")}
            for name, item in experiment.kpis.items()
        },
    }


def _settings(experiment: Experiment, name: str) -> str:
    settings = experiment.scenarios[name].settings
    return "; ".join(f"{key} = {setting_text(key, value, experiment)}" for key, value in settings.items()) or "-"


def _origin(experiment: Experiment, key: str) -> str:
    return str(experiment.origins[key]) if key in experiment.origins else ""
