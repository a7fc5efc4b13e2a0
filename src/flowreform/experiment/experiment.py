"""The frozen `Experiment`, from an experiment file or built in Python: names resolved against the model and its case, checked.

Both ways end in one function, `build_experiment`: what is given in Python becomes the table that a file would hold, so that the
same rules apply and the same faults are found.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from flowreform.case import read_case
from flowreform.case.ensemble import Ensemble
from flowreform.case.tables import Case, Chart, Kpi, Lever
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import ExperimentError, Finding, did_you_mean, error, shorten
from flowreform.experiment.copula import Correlation
from flowreform.experiment.given import FILE, HEAD, Given, as_table, names_of, plain, same, scenario_table, set_over, setting_text
from flowreform.experiment.parts import (
    appraisal_end_of,
    correlations_of,
    ensemble_of,
    horizon_of,
    kpis_of,
    paper_of,
    saved,
    still,
    still_drawn,
    uncertainties_of,
)
from flowreform.experiment.plans import PlanTable, checked_plan, plan_manual, still_planned
from flowreform.experiment.settings import Scenario, SettingReader
from flowreform.experiment.starts import contradictions
from flowreform.experiment.system import System, system_of
from flowreform.experiment.tables import (
    MAX_RUNS,
    MAX_SCENARIOS,
    Design,
    ExperimentTable,
    Origin,
    PaperTable,
    ScenarioTable,
    SweepTable,
)
from flowreform.files import write_text
from flowreform.model import Model
from flowreform.text import Manual, Shown, columns, number
from flowreform.toml import Document, Loc, Source

KEYS = ("experiment", "scenarios", "uncertainties", "correlations", "kpis", "sweep", "paper", "system", "plan")


@dataclass(frozen=True, init=False, repr=False)
class Experiment(Manual):
    """A model, scenarios, uncertainties, draws and KPIs, checked. All names are canonical and all numbers in the model's units.

    Built in Python it is checked as a file is, against the model and the case file beside it::

        exp = fr.Experiment(
            "care_shift",
            scenarios={"as_is": {}, "shift": {"planned_bed_reduction": 0.08, "training_investment": 350_000}},
            uncertainties=["readmission_share", "care_home_stay"],
            draws=100,
        )
        fr.kpis(fr.run(exp), exp)
        exp.with_(draws=1000, seed=2).to_toml("shift.toml")

    `model` is a bundled name, a path or a Model. `scenarios` maps names to settings, `{parameter: value}`; a value is a number in
    the model's unit, text with a unit ("7 day"), `{"points": [[time or date, value], ...]}`, or `Points`. `uncertainties` and
    `kpis` are "all" of the case, a list of its names, or a mapping of names to tables as a file holds them (None: as the case has
    it). The other arguments are the keys of `[experiment]`. Raises ExperimentError with every fault.

    `ensemble` holds draws of several inputs together that have seen the data (`fit --posterior`); the rest is drawn from
    `uncertainties`. As an argument it is "conditioned", "prior" or a list of inputs, as in a file, or an Ensemble.
    `plan` is a mapping as a file's `[plan]` holds it, for `fr.plan`.
    `save` names whole variables in model order; a run is saved at `times`, `save_every` apart in the model's time unit. `origins`
    has a key "uncertainties.<name>" or "kpis.<name>" for each. `findings` holds the warnings. `sha256` is of the file's bytes, or
    of what `to_toml` would write. `checked=True` takes the fields as they are (`dataclasses.replace` does).
    """

    name: str
    title: str
    question: str
    model: Model
    case: Case | None
    start: float
    stop: float
    dt: float
    save: tuple[str, ...]
    save_every: float
    draws: int
    design: Design
    seed: int
    scenarios: Mapping[str, Scenario]
    baseline: str
    uncertainties: Mapping[str, Uncertainty]
    kpis: Mapping[str, Kpi]
    correlations: tuple[Correlation, ...] = ()
    charts: tuple[Chart, ...] = ()
    ensemble: Ensemble | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    sweep: SweepTable = field(default_factory=SweepTable)
    paper: PaperTable = field(default_factory=PaperTable)
    system: System | None = None
    plan: PlanTable | None = None
    path: Path | None = field(default=None, compare=False)
    sha256: str = ""
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    appraisal_end: float | None = None
    checked: bool = field(default=True, compare=False)

    def __init__(
        self,
        model: Model | str | Path,
        scenarios: Mapping[str, object] | None = None,
        uncertainties: Given = None,
        kpis: Given = None,
        *,
        title: str | None = None,
        question: str | None = None,
        start: float | None = None,
        stop: float | None = None,
        appraisal_end: float | None = None,
        save: str | Sequence[str] | None = None,
        save_every: float | None = None,
        draws: int | None = None,
        design: str | None = None,
        seed: int | None = None,
        noise_seed: int | None = None,
        baseline: str | None = None,
        correlations: Sequence[object] | None = None,
        ensemble: str | Sequence[str] | Ensemble | None = None,
        sweep: object = None,
        paper: object = None,
        system: Mapping[str, object] | System | None = None,
        plan: object = None,
        name: str | None = None,
        checked: bool = False,
        **fields: Any,
    ) -> None:
        given: dict[str, Any] = {
            "model": model, "scenarios": scenarios, "uncertainties": uncertainties, "kpis": kpis, "title": title,
            "question": question, "start": start, "stop": stop, "appraisal_end": appraisal_end, "save": save,
            "save_every": save_every, "draws": draws, "design": design, "seed": seed, "noise_seed": noise_seed,
            "baseline": baseline, "correlations": correlations, "ensemble": ensemble, "sweep": sweep, "paper": paper,
            "system": system, "plan": plan, "name": name,
        }  # fmt: skip
        if not checked:
            if fields:
                raise TypeError(f"Experiment() takes no argument {', '.join(fields)}")
            given = _built(given)
        for item in dataclasses.fields(self):
            value = {**given, **fields}.get(item.name)
            if value is None and item.name in _DEFAULTS:
                value = _DEFAULTS[item.name]()
            object.__setattr__(self, item.name, value)

    @property
    def run_stop(self) -> float:
        """Where runs end: appraisal_end, or stop without one."""
        return self.stop if self.appraisal_end is None else self.appraisal_end

    @property
    def noise_seed(self) -> int | None:
        """The seed of the model's random functions; None where they are refused."""
        return self.model.noise_seed

    @property
    def runs(self) -> int:
        """Scenarios times draws; run r is scenario r // draws, draw r % draws."""
        return len(self.scenarios) * self.draws

    @property
    def times(self) -> NDArray[np.float64]:
        """The saved model times, ascending, from start to where runs end."""
        return saved_times(self.start, self.run_stop, self.save_every)

    @property
    def unfilled(self) -> tuple[Model, Case | None]:
        """The model and its case before a system was entered: those of the files."""
        return self.system.unfilled if self.system else (self.model, self.case)

    @property
    def levers(self) -> Mapping[str, Lever]:
        """The levers of the case; empty without one."""
        return self.case.levers if self.case else {}

    def with_(
        self,
        *,
        scenario: str | None = None,
        settings: Mapping[str, object] | None = None,
        scenarios: Mapping[str, object] | None = None,
        uncertainties: Given = None,
        kpis: Given = None,
        correlations: Sequence[object] | None = None,
        ensemble: str | Sequence[str] | Ensemble | None = None,
        sweep: object = None,
        paper: object = None,
        system: Mapping[str, object] | None = None,
        plan: object = None,
        **keys: Any,
    ) -> Experiment:
        """The experiment with some of it changed, checked again: `exp.with_(draws=500, scenario="shift")`.

        `scenario` keeps that one alone; `settings` set parameters in every scenario. The other arguments are those of
        `Experiment` and replace what was there: `scenarios={**exp.scenarios, "slow": {...}}` adds one. Raises ExperimentError
        with every fault, TypeError for an argument that means nothing."""
        if unknown := sorted(set(keys) - {*HEAD, "name"}):
            raise TypeError(f"with_() takes no argument {', '.join(unknown)}")
        kept: Mapping[str, object] = self.scenarios if scenarios is None else scenarios
        if scenario is not None:
            if scenario not in kept:
                hint = did_you_mean(scenario, kept) or f"scenarios are {', '.join(kept)}"
                raise ExperimentError(error("unknown-scenario", "the experiment has no such scenario", hint, element=scenario))
            kept = {scenario: kept[scenario]}
        if settings is not None:
            kept = {name: set_over(table, settings) for name, table in kept.items()}
        own: dict[str, Any] = {key: getattr(self, key) for key in (*HEAD, "name")}
        own |= {
            "save": list(self.save) or "stocks",
            "baseline": self.baseline if self.baseline in kept else next(iter(kept), None),
        }
        given = own | keys | {
            "model": self.unfilled[0],
            "system": (self.system.table if self.system else None) if system is None else system,
            "scenarios": kept,
            "uncertainties": (self.uncertainties or None) if uncertainties is None else uncertainties,
            "kpis": self.kpis if kpis is None else kpis,
            "correlations": self.correlations if correlations is None else correlations,
            "ensemble": _asked_ensemble(self) if ensemble is None else ensemble,
            "sweep": self.sweep if sweep is None else sweep,
            "paper": still(self.paper, kept, self.kpis if kpis is None else kpis) if paper is None else paper,
            "plan": still_planned(self.plan, kept, self.baseline) if plan is None else plan,
        }  # fmt: skip
        if uncertainties is not None and correlations is None:
            names = set(names_of(uncertainties, self.case.uncertainties if self.case else {}))
            given["correlations"] = [item for item in self.correlations if set(item.between) <= names]
        if self.system:
            own_pairs = self.system.correlations
            given["correlations"] = [item for item in given["correlations"] if item not in own_pairs]
        fields = _built(given, self.unfilled[1]) | {"charts": self.charts}
        was = {f"{key}.{name}": item for key in ("uncertainties", "kpis") for name, item in getattr(self, key).items()}
        now = {f"{key}.{name}": item for key in ("uncertainties", "kpis") for name, item in fields[key].items()}
        kept_origins = {name: self.origins[name] for name, item in now.items() if name in self.origins and was.get(name) == item}
        return Experiment(**(fields | {"origins": MappingProxyType({**fields["origins"], **kept_origins})}))

    def to_toml(self, path: str | Path | None = None) -> str:
        """The experiment as an experiment file holds it: what is the model's own case is named, all else is written out.

        With `path` the text is written there too, whole or not at all, and the model is named as seen from that file.
        `fr.read_experiment` of it gives an equal experiment. Raises ExperimentError where the model has no file to name."""
        folder = Path(path).parent if path is not None else Path()
        text = toml_text(self, reference(self.model, folder), folder=folder)
        if path is not None:
            write_text(Path(path), text)
        return text

    def manual(self) -> Iterator[Shown]:
        """Title, question, size; scenarios with their settings, uncertainties with their distributions, KPIs."""
        unit = self.model.specs.time_unit
        yield f"{self.title} ({self.name}, model {self.model.name})"
        yield from ([self.question] if self.question else [])
        yield (
            f"{len(self.scenarios)} scenarios x {self.draws} draws ({self.design}, seed {self.seed}); "
            f"{number(self.start)} to {number(self.stop)} {unit}, saved every {number(self.save_every)}"
        )
        rows = ((name, item.label, ", ".join(f"{key} = {setting_text(value)}" for key, value in item.settings.items()))
                for name, item in self.scenarios.items())  # fmt: skip
        yield columns("Scenarios", ("name", "label", "settings"), rows)
        if self.uncertainties:
            inputs = ((name, str(item), item.unit, item.source, item.status) for name, item in self.uncertainties.items())
            yield columns("Uncertainties", ("name", "distribution", "unit", "source", "status"), inputs)
        if self.kpis:
            measures = ((name, item.label or name.replace("_", " "), item.better) for name, item in self.kpis.items())
            yield columns("KPIs", ("name", "label", "better"), measures)
        if self.plan is not None:
            yield from plan_manual(self.plan, self)


_DEFAULTS: dict[str, Callable[[], object]] = {
    "correlations": tuple, "charts": tuple, "origins": dict, "sweep": SweepTable, "paper": PaperTable, "sha256": str,
    "findings": tuple, "checked": lambda: True,
}  # fmt: skip


def saved_times(start: float, stop: float, every: float) -> NDArray[np.float64]:
    """`start + k * every` up to `stop`, in the model's time unit."""
    return start + every * np.arange(round((stop - start) / every) + 1, dtype=np.float64)


# --- given in Python -------------------------------------------------------------------------------------------------


def _built(given: Mapping[str, Any], case: Case | None = None) -> dict[str, Any]:
    """The fields of an experiment from what is given in Python. Raises ExperimentError and ModelError with every fault."""
    model = given["model"]
    if isinstance(model, str | Path):
        from flowreform.formats import read_model

        model = read_model(model)
    if not isinstance(model, Model):
        reason = f"a model is a bundled name, a path or a Model, not {shorten(repr(model), 40)}"
        raise ExperimentError(error("model", reason, 'write fr.Experiment("care_shift")', file=FILE))
    case = case if case is not None else read_case(model)
    drawn = given["ensemble"] if isinstance(given["ensemble"], Ensemble) else None
    given = {**given, "ensemble": "prior"} if drawn is not None else given
    source = Source(Document(FILE, as_table(given, model, case), {}))
    built = build_experiment(source, model, case, None)
    if built is None or source.failed:
        raise ExperimentError(source.findings)
    if drawn is not None:
        built = dataclasses.replace(built, ensemble=drawn)
    built = dataclasses.replace(built, name=given["name"] or model.name)
    with suppress(ExperimentError):  # a model without a file: the experiment has no text, and so no hash
        text = toml_text(built, reference(model, Path()))
        built = dataclasses.replace(built, sha256=hashlib.sha256(text.encode()).hexdigest())
    return {item.name: getattr(built, item.name) for item in dataclasses.fields(built)}


def _asked_ensemble(experiment: Experiment) -> str | list[str] | Ensemble | None:
    """What an argument would say so that the same draws are taken again."""
    own, known = experiment.ensemble, experiment.case.ensemble if experiment.case else None
    if own is None:
        return "prior" if known is not None and (experiment.draws > 1 or experiment.uncertainties) else None
    return list(own.names) if known is not None and known.only(set(own.names)).digest == own.digest else own


# --- written as a file -----------------------------------------------------------------------------------------------


def toml_text(experiment: Experiment, model: str, *, whole: bool = False, folder: Path | None = None) -> str:
    """The experiment as TOML, with `model` as the name or path of its model; `whole` writes out the case's definitions too.

    Draws that the experiment names are named as seen from `folder`; without one as if their file stood beside."""
    import tomli_w

    case = experiment.case
    known: dict[str, Mapping[str, object]] = {
        "uncertainties": case.uncertainties if case and not whole else {},
        "kpis": case.kpis if case and not whole else {},
    }
    together = experiment.system.correlations if experiment.system else ()
    table: dict[str, Any] = {
        "experiment": {
            "title": experiment.title,
            "question": experiment.question,
            "model": model,
            "start": experiment.start,
            "stop": experiment.stop,
            **({} if experiment.appraisal_end is None else {"appraisal_end": experiment.appraisal_end}),
            "save": list(experiment.save) or "stocks",
            "save_every": experiment.save_every,
            "draws": experiment.draws,
            "design": experiment.design,
            "seed": experiment.seed,
            **({} if experiment.noise_seed is None else {"noise_seed": experiment.noise_seed}),
            "baseline": experiment.baseline,
            "uncertainties": list(experiment.uncertainties),
            "kpis": list(experiment.kpis),
        },
        "system": plain(experiment.system.table) if experiment.system else {},
        "sweep": plain(experiment.sweep),
        "paper": plain(experiment.paper) if experiment.paper != PaperTable() else {},
        "plan": plain(experiment.plan) if experiment.plan is not None else {},
        "scenarios": {name: scenario_table(scenario) for name, scenario in experiment.scenarios.items()},
        "correlations": [item.model_dump(mode="json") for item in experiment.correlations if item not in together],
    }
    ensemble = _asked_ensemble(experiment)
    if isinstance(ensemble, Ensemble) and ensemble.file:
        ensemble = _seen_from(Path(ensemble.file), folder)
    if isinstance(ensemble, Ensemble):
        reason = "its draws stand in no file beside the model"
        raise ExperimentError(error("no-file", reason, "write them with `flowreform fit MODEL --posterior --write`"))
    if ensemble is not None:
        table["experiment"]["ensemble"] = ensemble
    if experiment.draws == 1 and not experiment.uncertainties:
        del table["experiment"]["uncertainties"]  # so that more draws vary everything, as in a file that does not say
    for key, items in (("uncertainties", experiment.uncertainties), ("kpis", experiment.kpis)):
        table[key] = {name: plain(item) for name, item in items.items() if not same(known[key].get(name), item)}
    head = f"# {experiment.name}, written out by flowreform.\n\n"
    return head + tomli_w.dumps({key: value for key, value in table.items() if value})


def reference(model: Model, folder: Path) -> str:
    """How an experiment file in a folder names the model. Raises ExperimentError where the model has no file."""
    from flowreform.formats import bundled

    if model.path is None:
        reason = "the model was not read from a file, so no experiment file can name it"
        raise ExperimentError(error("no-file", reason, "write it with fr.write_model and read it again", element=model.name))
    path = model.path.resolve()
    if any(path == known.resolve() for known in bundled("models").values()):
        return model.path.parent.name
    place = folder.resolve()
    return f"./{path.relative_to(place).as_posix()}" if path.is_relative_to(place) else path.as_posix()


def _seen_from(file: Path, folder: Path | None) -> str:
    """How an experiment file in a folder names another file; its bare name without a folder."""
    if folder is None:
        return file.name
    path, place = file.resolve(), folder.resolve()
    return path.relative_to(place).as_posix() if path.is_relative_to(place) else path.as_posix()


# --- checked ---------------------------------------------------------------------------------------------------------


def build_experiment(source: Source, model: Model, case: Case | None, path: Path | None) -> Experiment | None:
    """The experiment in a TOML file; every fault is added to `source`. None when [experiment] itself is unusable."""
    source.only(KEYS)
    raw = source.required("experiment", "title, question and model")
    table = source.parse(ExperimentTable, raw, ("experiment",))
    model, case, system = system_of(source, model, case)
    scenarios = _scenarios(source, model, case)
    settled = table or _usable(raw)
    if settled.noise_seed is not None:
        model = dataclasses.replace(model, noise_seed=settled.noise_seed)
    start, stop, every = horizon_of(settled, model, source)
    origins: dict[str, Origin] = {}
    uncertainties = uncertainties_of(settled, source, model, case, origins, system.entered if system else {})
    varies = settled.draws > 1 or settled.uncertainties is not None
    ensemble = ensemble_of(settled, source, model, case, uncertainties) if varies else None
    correlations = correlations_of(source, uncertainties, varies)
    correlations += still_drawn(system.correlations, uncertainties) if system else ()
    appraisal_end = appraisal_end_of(settled, (start, stop, every), model, source)
    kpis = kpis_of(settled, source, model, case, (start, stop, every), origins)
    baseline = settled.baseline if settled.baseline is not None else next(iter(scenarios))
    if baseline not in scenarios:
        hint = did_you_mean(baseline, scenarios) or f"scenarios are {', '.join(scenarios)}"
        source.fault("baseline", ("experiment", "baseline"), f'there is no scenario "{baseline}"', hint)
    source.findings.extend(contradictions(model, case, scenarios, start))
    _limits(settled, scenarios, {*uncertainties, *(ensemble.names if ensemble else ())}, source)
    plan = source.parse(PlanTable, source.document.table.get("plan"), ("plan",))
    if table is None:
        return None
    built = Experiment(
        checked=True,
        name=path.stem if path else model.name,
        title=table.title,
        question=table.question,
        model=model,
        case=case,
        start=start,
        stop=stop,
        dt=model.specs.dt,
        save=saved(table, source, model, case, kpis),
        save_every=every,
        draws=table.draws,
        design=table.design,
        seed=table.seed,
        scenarios=MappingProxyType(scenarios),
        baseline=baseline,
        uncertainties=MappingProxyType(uncertainties),
        correlations=correlations,
        kpis=MappingProxyType(_with_baseline(kpis, scenarios, settled, source)),
        charts=case.charts if case else (),
        ensemble=ensemble,
        origins=MappingProxyType(origins),
        sweep=source.parse(SweepTable, source.table("sweep"), ("sweep",)) or SweepTable(),
        paper=paper_of(source, model, scenarios, kpis),
        system=system,
        plan=plan,
        path=path,
        sha256=source.document.sha256,
        appraisal_end=appraisal_end,
    )
    if plan is not None:
        checked_plan(plan, built, source)
    return dataclasses.replace(built, findings=source.warnings)


def _with_baseline(
    kpis: Mapping[str, Kpi], scenarios: Mapping[str, Scenario], table: ExperimentTable, source: Source
) -> dict[str, Kpi]:
    """KPIs against the baseline need a second scenario, or a plan: without one they are left out, with a warning where they are
    named."""
    if len(scenarios) > 1 or "plan" in source.document.table:
        return dict(kpis)
    for name, kpi in kpis.items():
        if kpi.against is not None and isinstance(table.kpis, tuple) and name in table.kpis:
            reason = f"{name} is a difference to the baseline, and there is one scenario only: it is left out"
            source.warn("baseline", ("experiment", "kpis"), reason, "add the scenario to compare with")
    return {name: kpi for name, kpi in kpis.items() if kpi.against is None}


def _usable(raw: object) -> ExperimentTable:
    """What a faulty [experiment] says well, so that the rest of the file can be checked against it."""
    words: dict[str, object] = {"title": "", "question": "", "model": ""}
    kept = dict(words)
    for key, value in raw.items() if isinstance(raw, dict) else ():
        try:
            ExperimentTable.model_validate(words | {key: value})
        except ValidationError:
            continue
        kept[key] = value
    return ExperimentTable.model_validate(kept)


def _scenarios(source: Source, model: Model, case: Case | None) -> dict[str, Scenario]:
    reader = SettingReader(model, case.calendar if case else None, source)
    places = case.settings if case else {}
    found: dict[str, Scenario] = {}
    for name, raw in source.table("scenarios").items():
        if not name.strip() or not name.isprintable() or len(name) > 100:
            reason = "a scenario's name is 1 to 100 printable characters"
            source.fault("scenario", ("scenarios", name), reason, "use label for longer text")
            continue
        table = source.parse(ScenarioTable, raw, ("scenarios", name))
        if table is None:
            continue
        settings = reader.read(table.settings, ("scenarios", name, "set"))
        if table.setting and table.setting not in places:
            hint = did_you_mean(table.setting, places) or f"settings are {', '.join(places) or 'none'}"
            reason = f'the model has no setting "{table.setting}"'
            source.fault("setting", ("scenarios", name, "setting"), reason, hint)
        elif table.setting:
            settings = MappingProxyType({**places[table.setting].values, **settings})
        found[name] = Scenario(name, table.label or name.replace("_", " "), settings)
    return found or {"base": Scenario("base", "base", MappingProxyType({}))}


def _limits(
    table: ExperimentTable,
    scenarios: Mapping[str, Scenario],
    uncertainties: set[str],
    source: Source,
) -> None:
    if len(scenarios) > MAX_SCENARIOS:
        reason = f"{len(scenarios):,} scenarios are more than the limit of {MAX_SCENARIOS:,}"
        source.fault("limit", ("scenarios",), reason, "make what varies an uncertainty, or split the experiment")
    if table.draws * len(scenarios) >= MAX_RUNS:
        reason = f"{len(scenarios):,} scenarios x {table.draws:,} draws reach the limit of {MAX_RUNS:,} runs"
        source.fault("limit", ("experiment", "draws"), reason, "take fewer draws, or split the experiment")
    if table.design == "sobol" and table.draws & (table.draws - 1):
        power = 1 << (table.draws - 1).bit_length()
        reason = f"a Sobol sequence is balanced at powers of two only, and {table.draws} is none"
        source.warn("sobol", ("experiment", "draws"), reason, f"take {power // 2} or {power} draws")
    if table.draws > 1 and not uncertainties:
        source.warn("draws", ("experiment", "draws"), "nothing varies, so all draws are alike", "name uncertainties")
    for name, scenario in scenarios.items():
        for key in scenario.settings:
            if key in uncertainties:
                reason = f"scenario {name} sets it, so its uncertainty does nothing there"
                loc: Loc = ("scenarios", name, "set", key)
                source.warn("set-uncertainty", loc, reason, "leave it out of the scenario, or out of uncertainties")
