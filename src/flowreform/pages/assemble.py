"""`fr.report`: the decision paper and the live page of an experiment as one HTML file.

The same experiment, files and versions give the same bytes: there is no clock and no path in it. Everything that came from a file
is text between tags or a string in JSON; the script holds numbered slots and literals only."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from flowreform import __version__
from flowreform.analyse.dominance import loops
from flowreform.diagrams.svg import svg
from flowreform.engine import Progress
from flowreform.engine.javascript import host
from flowreform.errors import ExperimentError, FlowreformError, visible
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.export.structure import structure
from flowreform.export.summary import distribution
from flowreform.files import put, write_file
from flowreform.model import Role
from flowreform.names import base_values, element_names
from flowreform.pages.found import Found, find
from flowreform.pages.guidance import guidance_parts
from flowreform.pages.live import live
from flowreform.pages.paper import paper_of, picture, series_label, series_scale
from flowreform.pages.words import with_unit
from flowreform.text import number, shown_unit, spoken

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class InputRow:
    """A line of the table of inputs."""

    name: str
    value: str
    drawn: str
    source: str
    status: str


def report(experiment: Subject, path: str | Path | None = None, *, command: str = "", progress: Progress | None = None) -> str:
    """Run an experiment and write its report to `path`; the text of the page comes back.

    `experiment` is an Experiment, a bundled name, a path, or a Model, of which one run is made as it stands. The first two
    printed pages are a decision paper that needs no script; the rest is for the screen: the model with its levers, diagrams,
    inputs, how it was made. Raises ModelError or ExperimentError with every fault::

        fr.report("va_beds_to_community", "report.html")
    """
    asked = as_experiment(experiment)
    found = find(asked, progress, command)
    text = page_of(found, conclusions_of(asked))
    if path is not None:
        data = text.encode()
        write_file(Path(path), lambda temporary: put(temporary, data), size=len(data))
    return text


def conclusions_of(experiment: Experiment, draws: int = 60) -> tuple[tuple[str, bool, str], ...]:
    """The conclusions that the case claims: the sentence, whether it holds over the draws, in how many."""
    case = experiment.case
    if case is None or not case.conclusions or experiment.draws < 2:
        return ()
    from flowreform.analyse.battery import signs

    many = min(draws, experiment.draws)
    items = tuple(case.conclusions.values())
    try:
        found = signs(experiment.model, case, items, draws=many, seed=experiment.seed)
    except FlowreformError:
        return ()
    done = []
    for item, sign in zip(items, found, strict=True):
        holds = (sign.difference > 0 if item.sign == "higher" else sign.difference < 0) and sign.share >= item.share
        done.append((spoken(item.label), bool(holds), f"in {round(sign.share * sign.counted)} of {sign.counted} runs"))
    return tuple(done)


def page_of(found: Found, conclusions: tuple[tuple[str, bool, str], ...] = ()) -> str:
    """The whole page of an experiment that was run."""
    from markupsafe import Markup

    experiment = found.experiment
    script, data, refused = "", "{}", ""
    try:
        text, given = live(found)
        script = f"function flowreformModel() {{\n{text}}}\n\n{host()}\n{_file('live.js')}"
        data = _json(given)
    except FlowreformError as fault:
        if not isinstance(fault, ExperimentError):
            raise
        refused = "; ".join(finding.reason for finding in fault.findings)
    paper = paper_of(found, conclusions)
    drawn = _drawings(experiment)
    return _rendered(
        "report.html",
        paper=paper,
        svg=Markup,
        policy=POLICY,
        style=Markup(_file("report.css")),
        script=Markup(script),
        data=Markup(data),
        refused=refused,
        tools=_file("tools.js"),
        fingerprint=_fingerprint(experiment),
        more=[(series_label(found, name), _with_unit(found, name), picture(found, name, series_label(found, name)))
              for name in found.series[1:]],
        asked=guidance_parts(found),
        drawings=drawn,
        leading=(found.scenario(found.focus).label, _leading(found)),
        stocks=list(_stocks(experiment)),
        inputs=list(_inputs(experiment)),
        made=list(_made(found)),
        signers=("Author", "Reviewer", "Senior responsible owner"),
    )  # fmt: skip


@dataclass(frozen=True)
class PageParts:
    """What a page with a form is made of: runs of the blank form, the printed model, the data, the fields by owner."""

    found: Found
    script: str
    data: Mapping[str, Any]
    parts: Sequence[object]


def page_text(given: PageParts) -> str:
    """The page in which a system is entered and tried out."""
    from markupsafe import Markup

    found = given.found
    return _rendered(
        "form.html",
        title=found.experiment.case.about.title if found.experiment.case else found.experiment.title,
        question=found.experiment.question,
        policy=POLICY,
        style=Markup(_file("report.css")),
        script=Markup(f"{given.script}\n{host()}\n{_file('form.js')}\n{_file('live.js')}"),
        data=Markup(_json(given.data)),
        tools=Markup(_file("tools.js")),
        fingerprint=_fingerprint(found.experiment),
        parts=given.parts,
        inputs=list(_inputs(found.experiment)),
        made=list(_made(found)),
    )  # fmt: skip


def _rendered(template: str, **given: object) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = visible
    environment.filters["plain_lines"] = lambda text: "\n".join(map(visible, text.split("\n")))
    return str(environment.get_template(template).render(**given))


def _json(given: Mapping[str, Any]) -> str:
    return json.dumps(given, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def _file(name: str) -> str:
    return files("flowreform.pages").joinpath("template", name).read_text("utf-8")


def _with_unit(found: Found, name: str) -> str:
    return with_unit(series_label(found, name), series_scale(found, name).head)


def _fingerprint(experiment: Experiment) -> str:
    """Eight characters that change with the model, the case and the experiment."""
    case = experiment.case.sha256 if experiment.case else ""
    return hashlib.sha256(f"{experiment.model.sha256} {case} {experiment.sha256}".encode()).hexdigest()[:8]


def _drawings(experiment: Experiment) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Overview, sheets and loop cards: kind, title, SVG and the same in words."""
    from dataclasses import replace

    made = structure(experiment.model, experiment.case)
    return [
        (
            item.kind,
            spoken(item.title.removeprefix(f"{experiment.model.name}: ")),
            svg(replace(item, title=""), label=item.title),
            item.twin,
        )
        for item in made.drawings
    ]


def _leading(found: Found) -> tuple[str, ...]:
    """Which feedback loop leads when, in the option that the paper is about, with base values; nothing where that cannot be said
    (a model without loops, or with random functions)."""
    try:
        return loops(found.experiment, scenario=found.focus).sentences()
    except FlowreformError:
        return ()


def _stocks(experiment: Experiment) -> Iterator[tuple[str, str, str, str, str]]:
    for variable in experiment.model:
        if variable.role is Role.STOCK:
            flows = [
                *(f"+ {spoken(name)}" for name in variable.inflows),
                *(f"− {spoken(name)}" for name in variable.outflows),
            ]
            unit = shown_unit(variable.units or "")
            yield spoken(variable.label), unit, ", ".join(flows), variable.text, variable.doc


def _inputs(experiment: Experiment) -> Iterator[InputRow]:
    """Every parameter: its value, how it is drawn, where it comes from."""
    case = experiment.case
    for variable in _parameters(experiment):
        drawn = experiment.uncertainties.get(variable.name)
        about = drawn or (case and (case.levers.get(variable.name) or case.parameters.get(variable.name))) or None
        unit = shown_unit(variable.units or "")
        value = _value(experiment, variable)
        yield InputRow(
            spoken((getattr(about, "label", "") if about else "") or variable.label),
            f"{value} {unit}".strip(),
            distribution(drawn) if drawn else "",
            about.source if about else "",
            "lever" if case and variable.name in case.levers and not drawn else (about.status if about else "not said"),
        )


def _parameters(experiment: Experiment) -> list[Any]:
    return [variable for variable in experiment.model if variable.role is Role.PARAMETER]


def _value(experiment: Experiment, variable: Any) -> str:
    from flowreform.names import Named

    values = base_values(experiment.model, Named(variable.name, variable, ()))
    if len(set(values)) == 1:
        return number(values[0])
    names = [name.partition("[")[2].rstrip("]") for name in element_names(experiment.model, variable)]
    return ", ".join(f"{name.replace('_', ' ')}: {number(value)}" for name, value in zip(names, values, strict=True))


def _made(found: Found) -> Iterator[tuple[str, str]]:
    experiment, attributes = found.experiment, found.ds.attrs
    yield "Made with", f"flowreform {__version__}; Python {platform.python_version()}"
    yield "Model", f"{experiment.model.name}, SHA-256 {experiment.model.sha256}"
    if experiment.case and experiment.case.sha256:
        yield "Case file", f"SHA-256 {experiment.case.sha256}"
    if experiment.sha256:
        yield "Experiment", f"{experiment.name}, SHA-256 {experiment.sha256}"
    yield "Method", f"{experiment.model.specs.method.value}, step {experiment.dt:g} {experiment.model.specs.time_unit}"
    yield "Draws", f"{experiment.draws:,}, {experiment.design.replace('_', ' ')}, seed {experiment.seed}"
    if attributes.get("command"):
        yield "Made again by", str(attributes["command"])
    yield "Licence", "flowreform is open source under the MIT licence; the content of this page is its author's."


__all__ = ["PageParts", "conclusions_of", "page_of", "page_text", "report"]
