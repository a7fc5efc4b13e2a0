"""`fr.page`: the form of a model and its live model in one HTML file, for somebody who has counts and no Python.

The counts are put into the model by the functions that `experiment.system` calls, printed as JavaScript; the start is one step of
the model, run in the page. What the page copies is an experiment file that gives the same numbers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowreform.arithmetic import INFINITY
from flowreform.case.form import DEPTHS, Field, Form
from flowreform.case.solving import FUNCTIONS, products_of
from flowreform.case.tables import Case
from flowreform.engine import Progress
from flowreform.engine.javascript import javascript, printed
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.experiment.starter import starter
from flowreform.experiment.system import ABOUT, EnteredField, form_tables, marks, shown
from flowreform.files import put, write_file
from flowreform.lower import lower
from flowreform.model import Model
from flowreform.names import element_names, parameter_values, split
from flowreform.pages.assemble import PageParts, page_text
from flowreform.pages.found import find
from flowreform.pages.live import LiveModel, live_model
from flowreform.program import Program

DEPTH_WORDS = {"first": "What every system counts", "should": "If you have them", "may": "The rest"}


@dataclasses.dataclass(frozen=True)
class FormRow:
    """A field on the page: `bounds` is the range of real systems and `blank` what is taken, of the national system."""

    id: str
    label: str
    hint: str
    unit: str
    choices: tuple[str, ...]
    bounds: str
    blank: str


@dataclasses.dataclass(frozen=True)
class FormPart:
    """The fields that one owner of numbers holds, by how much they are needed."""

    owner: str
    groups: tuple[tuple[str, tuple[FormRow, ...]], ...]


def page(model: Subject, path: str | Path | None = None, *, command: str = "", progress: Progress | None = None) -> str:
    """Write a page to `path` in which a system is entered into a model and tried out; its text comes back.

    `model` is a Model or a bundled name, which begins with a blank form, or an Experiment or a path, which begins with what is
    entered in it. Raises ExperimentError where the model has no form or cannot run in a browser::

        fr.page("care_shift", "care_shift.html")
    """
    text = form_page(page_subject(model), command, progress)
    if path is not None:
        data = text.encode()
        write_file(Path(path), lambda temporary: put(temporary, data), size=len(data))
    return text


def page_subject(model: Subject) -> Experiment:
    """The experiment that a page begins with: the starter of a model that has a form."""
    given = as_experiment(model)
    _, case = given.unfilled
    alone = given.system is None and given.path is None
    return starter(model) if alone and case is not None and case.form is not None else given


def form_page(given: Experiment, command: str = "", progress: Progress | None = None) -> str:
    """The page of an experiment, its counts typed in."""
    before, case = given.unfilled
    form = case.form if case else None
    if form is None or case is None:
        reason = "the model has no form.csv beside it, so there is nothing to fill"
        raise ExperimentError(error("no-form", reason, "`flowreform report` makes its live page", file=given.model.file))
    blank = given.with_(system=_kept(given))
    _refuse(blank, given)
    found = find(blank, progress, command)
    made = live_model(found)
    data = {**made.data, "form": _data(given, blank, before, case, form, made), "toml": _without_system(made.data["toml"])}
    start, _ = _start_text(blank.model, _wanted(form, case, blank.model))
    script = f"function flowreformModel() {{\n{made.text}}}\n\nfunction flowreformStart() {{\n{start}}}\n\n{printed(FUNCTIONS)}"
    return page_text(PageParts(found, script, data, tuple(_parts(form, given))))


def _refuse(blank: Experiment, given: Experiment) -> None:
    """What a page cannot repeat when counts change. Raises ExperimentError."""
    reason = ""
    if blank.draws > 1 and blank.design == "sobol":
        reason = "a Sobol design gives other samples when one input less is drawn"
    if blank.correlations:
        reason = "inputs that are drawn together change when one of them is counted"
    if blank.ensemble is not None:
        reason = "draws of a posterior cannot be put to other counts"
    for entry in blank.system.entries.values() if blank.system else ():
        if len(entry.field.parameters) != 1 or entry.field.sum.over or entry.field.sum.of != ("value",):
            reason = f"{entry.field.name} is a range that depends on other fields"
    if reason:
        repair = "give one number or another design, or `flowreform report`"
        raise ExperimentError(error("page-form", reason, repair, file=str(given.path or given.name)))


def _kept(given: Experiment) -> dict[str, Any]:
    """`[system]` with its ranges and words, and without its numbers."""
    system = given.system
    if system is None:
        return {}
    kept: dict[str, Any] = {key: value for key, value in system.table.items() if key in ABOUT and key != "vocabulary"}
    for entry in system.entries.values():
        if entry.drawn is not None:
            kept[entry.field.name] = _raw(system.table, entry)
    return _nested(kept)


def _raw(table: Mapping[str, Any], entry: EnteredField) -> Any:
    place: Any = table
    for part in entry.word.split("."):
        place = place[part]
    return place


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        place = done
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return done


# --- data ------------------------------------------------------------------------------------------------------------


def _names(model: Model, program: Program) -> list[str]:
    """Parameters and their elements, in the order of the program's inputs."""
    return [name for item in program.inputs for name in element_names(model, model.variables[item.name])]


def _wanted(form: Form, case: Case, model: Model) -> list[str]:
    """Variables and elements of the model that the start is judged by."""
    names = [name for item in form.start for name in (*item.expression.of, *item.expression.over) if name not in form.fields]
    names += [name for rule in case.starts.values() for name in (*rule.add, *rule.less)]
    return list(dict.fromkeys(name for name in names if split(name)[0] in model.variables))


def _start_text(model: Model, wanted: list[str]) -> tuple[str, list[str]]:
    """One step of the model for the variables wanted, and the order in which they come out."""
    program = lower(replace(model, specs=replace(model.specs, stop=model.specs.start + model.specs.dt)))
    slots = {}
    for name in wanted:
        base, elements = split(name)
        own = element_names(model, model.variables[base])
        slots[name] = program.places[base].base + (own.index(name) if elements else 0)
    text, plan = javascript(program, list(dict.fromkeys(slots.values())), (), 1)
    order = {slot: at for at, slot in enumerate(plan.saved)}
    return text, sorted(wanted, key=lambda name: order[slots[name]])


def _data(given: Experiment, blank: Experiment, before: Model, case: Case, form: Form, made: LiveModel) -> dict[str, Any]:
    names = _names(before, made.program)
    values = parameter_values(before)
    tables = dataclasses.asdict(form_tables(before, case, form, names))
    wanted = _wanted(form, case, before)
    _, order = _start_text(blank.model, wanted)
    places = {name: at for at, name in enumerate((*order, *form.fields))}
    fields = list(form.fields)
    rows = {name: [at] for at, name in enumerate(names)}
    for base in {split(name)[0] for name in names}:
        rows.setdefault(base, [at for at, name in enumerate(names) if split(name)[0] == base])
    known = case.uncertainties
    return {
        "tables": {**tables, "low": _finite(tables["low"]), "high": _finite(tables["high"])},
        "national": [values[name] for name in names],
        "fields": [_field(item, given, blank) for item in form.fields.values()],
        "uncertain": [
            [name, rows[name], "" if known.get(name) == item or _entered(blank, name) else _definition(name, item)]
            for name, item in blank.uncertainties.items()
        ],
        "start": [
            {
                "label": item.label, "unit": marks(item.unit), "at": fields.index(item.entered) if item.entered else -1,
                "least": item.at_least, "most": item.at_most, "low": item.low, "high": item.high, "best": item.best_quarter,
                "median": item.median, "change": item.change,
                "needs": [places[name] - len(order) for name in (*item.expression.of, *item.expression.over)
                          if name in form.fields],
            }
            for item in form.start
        ],
        "products": dataclasses.asdict(products_of([item.expression for item in form.start], places)),
        "cells": len(order),
        "rules": [
            {
                "reason": rule.reason, "add": [places[name] for name in rule.add], "less": [places[name] for name in rule.less],
                "least": max(rule.at_least, rule.steps * before.specs.dt),
            }
            for rule in case.starts.values()
            if blank.start == before.specs.start
        ],
        "about": {key: _inline(value) for key, value in (given.system.table if given.system else {}).items()
                  if key in ABOUT and key not in ("name", "source", "vocabulary")},
        "name": given.system.name if given.system else "",
        "source": str(given.system.table.get("source", "")) if given.system else "",
    }  # fmt: skip


def _finite(values: list[float]) -> list[float | None]:
    return [value if -INFINITY < value < INFINITY else None for value in values]


def _entered(blank: Experiment, name: str) -> bool:
    return blank.system is not None and name in blank.system.entered


def _field(item: Field, given: Experiment, blank: Experiment) -> dict[str, Any]:
    entry = given.system.entries.get(item.name) if given.system else None
    ranged = blank.system.entries.get(item.name) if blank.system else None
    least = min((given.model.variables[split(name)[0]].range[0] or 0.0 for name in item.parameters), default=0.0)
    return {
        "name": item.name,
        "label": item.label,
        "unit": marks(item.unit),
        "scale": item.scales_with,
        "choices": list(item.choices.items()),
        "low": item.low,
        "high": item.high,
        "whole": item.is_share and least >= 0.0,
        "given": entry.value if entry and entry.drawn is None else None,
        "range": ranged.value if ranged else None,
        "said": ranged.text if ranged else "",
        "toml": _inline(_raw(given.system.table, entry)) if entry and given.system else "",
    }


def _inline(value: Any) -> str:
    """A value as TOML writes it in one line."""
    import tomli_w

    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(part)}" for key, part in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _definition(name: str, item: Any) -> str:
    lines = [f"{key} = {_inline(value)}" for key, value in item.model_dump(mode="json", exclude_defaults=True).items()]
    return f"[uncertainties.{json.dumps(name)}]\n" + "\n".join(lines) + "\n"


def _without_system(toml: str) -> str:
    """An experiment file less its [system] and uncertainties: the page writes both from what is typed into it."""
    import tomllib

    import tomli_w

    table = tomllib.loads(toml)
    table.pop("system", None)
    table.pop("uncertainties", None)
    drawn = table["experiment"].pop("uncertainties", None)
    head, _, rest = tomli_w.dumps(table).partition("[experiment]\n")
    return f"{head}[experiment]\n{'' if drawn is None else 'uncertainties = []' + chr(10)}{rest}"


# --- what a reader sees ----------------------------------------------------------------------------------------------


def _parts(form: Form, given: Experiment) -> Iterator[FormPart]:
    before, _ = given.unfilled
    national = parameter_values(before)
    numbers = {name: at for at, name in enumerate(form.fields)}
    for owner in form.owners:
        groups = []
        for depth in DEPTHS:
            items = [item for item in form.fields.values() if item.owner == owner and item.depth == depth]
            rows = tuple(_row(item, numbers[item.name], national) for item in items)
            if rows:
                groups.append((DEPTH_WORDS[depth], rows))
        yield FormPart(owner, tuple(groups))


def _row(item: Field, at: int, national: Mapping[str, float]) -> FormRow:
    own = item.entered(national)
    before, _, after = marks(item.unit)
    bounds = " to ".join(f"{bound:g}" for bound in (item.low, item.high) if bound is not None)
    blank = "" if own is None or item.choices else shown(own, item.unit)
    hint = ". ".join(part.rstrip(".") for part in (item.definition, item.where_found and f"Found in: {item.where_found}") if part)
    return FormRow(
        f"field{at}", item.label, hint, f"{before} {after}".strip(), tuple(item.choices), bounds, blank
    )  # fmt: skip


__all__ = ["form_page", "page", "page_subject"]
