"""`[system]` of an experiment: a planner's own system, entered as it is counted, put into the model and its case.

Everything behind it (runs, draws, workbooks, pages, tables) then sees a model whose own numbers are the system's. The form of
the case says which parameters a field gives numbers to; what is left blank keeps the national value, at the size of the system.
A number is held in every draw; a range or a distribution becomes an uncertainty.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from flowreform.arithmetic import NAN
from flowreform.case.checks import in_range
from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS
from flowreform.case.form import VALUE, Field, Form
from flowreform.case.solving import BLANK, COMPARED, IMPOSSIBLE, SHORT, SOLVED, FormTables, solve, tables_of
from flowreform.case.tables import Case, Lever, Parameter
from flowreform.case.uncertainty import Status, Uncertainty, faults
from flowreform.errors import did_you_mean, shorten
from flowreform.experiment.copula import Correlation
from flowreform.experiment.quantities import date_in, quantity
from flowreform.model import Equation, Model, Number
from flowreform.names import Named, Unknown, base_values, element_names, find, parameter_values, split
from flowreform.text import CURRENCIES, exact, number
from flowreform.toml import Loc, Source

ABOUT = ("name", "start", "vocabulary", "source")
"""Keys of `[system]` that are no fields."""
ENTRY = ("value", "low", "high", "distribution", "source", "status", *NUMBERS)
UNSAID = "entered"
"""The source of a number whose source is not given."""
TOGETHER = 0.999
"""Rank correlation of the parts of one uncertain total."""


@dataclass(frozen=True)
class EnteredField:
    """A field as entered, in the field's own unit: `value`, the middle of a range, and its distribution if it is no number."""

    field: Field
    word: str
    value: float
    drawn: Uncertainty | None
    source: str
    line: int
    outside: str = ""

    @property
    def text(self) -> str:
        """As people write it."""
        unit = self.field.unit
        if self.drawn is None:
            words = [word for word, number in self.field.choices.items() if number == self.value]
            return words[0] if words else shown(self.value, unit)
        low, high = self.drawn.support
        likely = f", most likely {shown(self.drawn.mode, unit)}" if self.drawn.mode is not None else ""
        return f"{shown(low, unit)} to {shown(high, unit)}{likely}"


@dataclass(frozen=True)
class BlankField:
    """A field left blank: the number the model takes for it, and where that comes from: national, scaled or solved."""

    field: Field
    value: float
    how: str


@dataclass(frozen=True)
class System:
    """What `[system]` says, worked out: `values` are the parameters set, in the model's units, by canonical name.

    `table` is as written; `unfilled` the model and case before. `checks` are the fields entered beside all their parts: they set
    nothing, and are compared with what the parts come to."""

    name: str
    table: Mapping[str, Any]
    entries: Mapping[str, EnteredField]
    blanks: Mapping[str, BlankField]
    values: Mapping[str, float]
    uncertainties: Mapping[str, Uncertainty]
    correlations: tuple[Correlation, ...]
    checks: tuple[str, ...]
    sizes: Mapping[str, float]
    vocabulary: str = ""
    unfilled: tuple[Model, Case | None] = field(default=(None, None), compare=False, repr=False)  # type: ignore[assignment]

    @property
    def entered(self) -> dict[str, Uncertainty | None]:
        """The parameters that entries give numbers to, with their distribution where it is no number."""
        names = (name for entry in self.entries.values() for name in entry.field.parameters)
        return {name: self.uncertainties.get(name) for name in names if name in self.values}

    def range_of(self, item: Field) -> tuple[float | None, float | None]:
        """The range of real systems for a field, at the size of this one."""
        size = self.sizes.get(item.scales_with, 1.0)
        low, high = (None if bound is None else bound * size for bound in (item.low, item.high))
        return low, high


def shown(value: float, unit: str) -> str:
    """A number of a field as people write it: 0.93 of a share is 93 %, money has its sign."""
    before, by, after = marks(unit)
    return f"{before}{number(by * value)}{after}"


def marks(unit: str) -> tuple[str, int, str]:
    """What stands before a number of a field, what it is multiplied by, and what stands after it."""
    if unit.startswith("%"):
        return "", 100, " %" + (" a year" if unit == "%/year" else "")
    first, slash, rest = unit.partition("/")
    if first in CURRENCIES:
        return CURRENCIES[first], 1, f" a {rest}" if slash else ""
    plain = {"1": "", "person": "people", "bed": "beds", "place": "places", "day": "days", "month": "months"}.get(unit, unit)
    words = plain.replace("person/", "people a ").replace("/", " a ", 1)
    return "", 1, f" {words}" if words else ""


# --- read ------------------------------------------------------------------------------------------------------------


def system_of(source: Source, model: Model, case: Case | None) -> tuple[Model, Case | None, System | None]:
    """The model and the case with the system of the file in them. Faults are added to `source`; then they are as they were."""
    raw = source.table("system")
    if not raw:
        return model, case, None
    form = case.form if case else None
    if form is None or case is None:
        source.fault("system", ("system",), "the model has no form.csv, so no system can be entered", "use care_shift")
        return model, case, None
    before = len(source.findings)
    made = _Reader(source, model, case, form).read(raw)
    if made is None or any(item.level == "error" for item in source.findings[before:]):
        return model, case, None
    filled = _model(model, made.values)
    return filled, _case(case, filled, made, raw.get("start")), made


class _Reader:
    """Reads one `[system]`."""

    def __init__(self, source: Source, model: Model, case: Case, form: Form) -> None:
        self.source, self.model, self.case, self.form = source, model, case, form
        self.national = parameter_values(model)

    def fault(self, loc: Loc, reason: str, repair: str = "") -> None:
        self.source.fault("system", loc, reason, repair)

    def read(self, raw: Mapping[str, Any]) -> System | None:
        for key in ("name", "vocabulary", "source"):
            if key in raw and not isinstance(raw[key], str):
                self.fault(("system", key), "text in quotes is needed")
        start = raw.get("start")
        if start is not None and _start(start, self.case) is None:
            self.fault(("system", "start"), "a date is needed", 'write start = 2026-04-01, "April 2026" or "2026/27"')
        vocabulary = str(raw.get("vocabulary", ""))
        words = dict(self.form.words.get(vocabulary, {}))
        if vocabulary and vocabulary not in self.form.words:
            hint = did_you_mean(vocabulary, self.form.words) or f"known are {', '.join(self.form.words)}"
            self.fault(("system", "vocabulary"), f'there is no vocabulary "{shorten(vocabulary)}"', hint)
        entries: dict[str, EnteredField] = {}
        for word, given, loc in _flat(raw):
            name, factor = words.get(word, (word, 1.0))
            name = f"{name}.all" if f"{name}.all" in self.form.fields else name
            item = self.form.fields.get(name)
            if item is None:
                known = [*words, *self.form.fields]
                hint = did_you_mean(word, known) or "`flowreform new FILE.xlsx --model MODEL` lists every field"
                self.fault(loc, "the form has no such field", hint)
            elif name in entries:
                self.fault(loc, f"{name} is entered already, as {entries[name].word}", "keep one of them")
            elif (entry := self._entry(item, word, given, factor, loc, str(raw.get("source", "")))) is not None:
                entries[name] = entry
        if self.source.failed:
            return None
        return self._solved(entries, raw, vocabulary)

    def _entry(self, item: Field, word: str, given: object, factor: float, loc: Loc, source: str) -> EnteredField | None:
        table = given if isinstance(given, dict) else {"value": given}
        for key in table:
            if key not in ENTRY:
                self.fault((*loc, key), "unknown key", did_you_mean(key, ENTRY) or f"known are {', '.join(ENTRY)}")
                return None
        source = str(table.get("source", "")) or source or UNSAID
        status = table.get("status", "verified" if source != UNSAID else "assumption")
        numbers: dict[str, Any] = {}
        for key in ("value", *NUMBERS):
            if key not in table:
                continue
            raw = table[key]
            each = [self._number(one, item, (*loc, key) if isinstance(given, dict) else loc) for one in
                    (raw if isinstance(raw, list) else [raw])]  # fmt: skip
            if any(one is None for one in each):
                return None
            scaled = [one if key in ("sigma", "weights") else one * factor for one in each if one is not None]
            numbers[key] = tuple(scaled) if isinstance(raw, list) else scaled[0]
        drawn = None
        if "value" not in numbers or len(numbers) > 1:
            kind = table.get("distribution") or ("triangular" if "value" in numbers or "mode" in numbers else "uniform")
            if "value" in numbers:
                numbers["mode"] = numbers.pop("value")
            if kind not in DISTRIBUTIONS:
                self.fault((*loc, "distribution"), "there is no such distribution", f"known are {', '.join(DISTRIBUTIONS)}")
                return None
            drawn = self.source.parse(
                Uncertainty, {**numbers, "distribution": kind, "unit": item.unit or "1", "label": item.label, "source": source,
                              "status": status}, loc)  # fmt: skip
            if drawn is None:
                return None
            if wrong := faults(drawn):
                for key, reason, repair in wrong:
                    self.fault((*loc, key), reason, repair)
                return None
        value = numbers["value"] if drawn is None else float(drawn.quantile(np.array([0.5]))[0])
        return EnteredField(item, word, value, drawn, source, self.source.document.line(loc))

    def _number(self, raw: object, item: Field, loc: Loc) -> float | None:
        if item.choices:
            if isinstance(raw, str) and raw in item.choices:
                return item.choices[raw]
            self.fault(
                loc, f"{item.label.lower()}: {shorten(repr(raw), 40)} is none of its answers", f"write {_or(item.choices)}"
            )
            return None
        if isinstance(raw, str):
            try:
                raw = quantity(raw, item.unit, self.model)
            except ValueError as reason:
                self.fault(loc, f"{item.label.lower()}: {reason}", f'write a number, or "12 {item.unit}"')
                return None
        if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != raw or abs(raw) == float("inf"):
            self.fault(loc, f"{item.label.lower()}: a number is needed, not {shorten(repr(raw), 40)}")
            return None
        value = float(raw)
        if item.is_share and abs(value) > 1.0 and self._least(item) >= 0.0:
            self.fault(loc, f"{item.label.lower()}: {value:g} is more than the whole", f'write "{value:g} %", or {value / 100:g}')
            return None
        return value

    def _least(self, item: Field) -> float:
        return min((self.model.variables[split(name)[0]].range[0] or 0.0 for name in item.parameters), default=0.0)

    # --- what follows from the entries ---------------------------------------------------------------------------------

    def _solved(self, entries: Mapping[str, EnteredField], raw: Mapping[str, Any], vocabulary: str) -> System | None:
        fields, names = list(self.form.fields.values()), list(self.national)
        tables = self._tables(names)
        national = list(self.national.values())
        given = [entries[item.name].value if item.name in entries else NAN for item in fields]
        numbers, held = [0.0] * (len(names) + 1), [0] * len(names)
        came, wanted, size = [BLANK] * len(fields), [NAN] * len(fields), [1.0] * len(tables.scalers)
        solve(tables, national, given, numbers, size, held, came, wanted)
        values = dict(zip(names, numbers, strict=False))
        sizes = {fields[f].name: found for f, found in zip(tables.scalers, size, strict=True)}
        self._say_size(entries, sizes)
        checks: list[str] = []
        uncertain: dict[str, Uncertainty] = {}
        together: list[Correlation] = []
        done = {name for name, by in zip(names, held, strict=True) if by}
        solved = {item.name for item, code in zip(fields, came, strict=True) if code == SOLVED}
        for f in tables.order:
            item, entry = fields[f], entries.get(fields[f].name)
            new = {name: values[name] for name in item.parameters if held[names.index(name)] == f + 1}
            if came[f] == IMPOSSIBLE:
                self._impossible(item, wanted[f])
            if entry is None:
                continue
            if came[f] == COMPARED and item.parameters:
                checks.append(item.name)
            if came[f] == SHORT:
                parts = ", ".join(other for other in entries if other != item.name and
                                  set(entries[other].field.parameters) & set(item.parameters) & done)  # fmt: skip
                self.fault(_loc(entry.word), f"{entry.text} is less than its parts together", f"change it, or {parts}")
            self._ranged(entry, new)
            uncertain |= (made := self._drawn(entry, new))
            drawn = list(made)
            together += [_pair(one, other, entry) for at, one in enumerate(drawn) for other in drawn[at + 1 :]]
        if self.source.failed:
            return None
        found = System(
            name=str(raw.get("name", "")), table=raw, entries=MappingProxyType(dict(entries)), blanks=MappingProxyType({}),
            values=MappingProxyType({name: value for name, value in values.items() if value != self.national[name]}),
            uncertainties=MappingProxyType(uncertain), correlations=tuple(together), checks=tuple(checks),
            sizes=MappingProxyType(sizes), vocabulary=vocabulary, unfilled=(self.model, self.case),
        )  # fmt: skip
        blanks = {}
        for name, item in self.form.fields.items():
            if name not in entries and not set(item.parameters) & done and (value := item.entered(values)) is not None:
                how = (
                    "solved" if name in solved else "scaled" if item.scales_with and sizes[item.scales_with] != 1 else "national"
                )
                blanks[name] = BlankField(item, value, how)
        taken = {name: value for name, value in values.items() if name in done or value != self.national[name]}
        found = replace(found, blanks=MappingProxyType(blanks), values=MappingProxyType(taken))
        return replace(found, entries=MappingProxyType(self._flagged(found)))

    def _tables(self, names: list[str]) -> FormTables:
        return form_tables(self.model, self.case, self.form, names)

    def _say_size(self, entries: Mapping[str, EnteredField], sizes: Mapping[str, float]) -> None:
        if not any(name in entries and self.form.fields[name].entered(self.national) for name in sizes):
            reason = f"{_or(sizes)} are blank: all that is left blank is of the national system of one million people"
            self.source.warn("system", ("system",), reason, f"enter {next(iter(sizes), '')}")

    def _ranged(self, entry: EnteredField, new: Mapping[str, float]) -> None:
        for one, value in new.items():
            named = find(self.model, one, parameter=True)
            if not isinstance(named, Unknown):
                in_range(value, named, self.source, _loc(entry.word))

    def _drawn(self, entry: EnteredField, new: Mapping[str, float]) -> dict[str, Uncertainty]:
        """The distribution of an uncertain entry for each of its parameters, in the model's units."""
        drawn = entry.drawn
        if drawn is None:
            return {}
        found = {}
        for one, value in new.items():
            unit = self.model.variables[split(one)[0]].units or "1"
            if VALUE in entry.field.sum.over:  # a quotient: the ends change places
                if drawn.distribution != "uniform":
                    reason = f"{entry.field.label.lower()} divides, so that it has a range only"
                    self.fault(_loc(entry.word), reason, "give low and high")
                    return {}
                low, high = drawn.support
                made = drawn.model_copy(
                    update={"low": value * entry.value / high, "high": value * entry.value / low, "unit": unit}
                )
            else:
                made = drawn.scaled(value / entry.value if entry.value else 1.0, unit)
            label = entry.field.label if len(new) == 1 else f"{entry.field.label}: {one}"
            found[one] = made.model_copy(update={"label": label, "source": entry.source})
            lowest, highest = found[one].support
            named = find(self.model, one, parameter=True)
            if not isinstance(named, Unknown):
                for end in (lowest, highest):
                    in_range(end, named, self.source, _loc(entry.word))
        return found

    def _impossible(self, item: Field, taken: float) -> None:
        """A blank field that the others decide, and which cannot be what they say."""
        products = item.blank.parts if item.blank else ()
        words = ", ".join(dict.fromkeys(self._field_of(part) for one in products for part in (*one.of, *one.over)))
        reason = f"{item.label.lower()} would have to be {shown(taken, item.unit)}, which cannot be"
        self.fault(("system",), reason, f"check {words}")

    def _field_of(self, parameter: str) -> str:
        return next((name for name, item in self.form.fields.items() if item.parameters == (parameter,)), parameter)

    def _flagged(self, system: System) -> dict[str, EnteredField]:
        """The entries, with a warning for each outside the range of real systems."""
        found = {}
        for name, entry in system.entries.items():
            low, high = system.range_of(entry.field)
            outside = ""
            if (low is not None and entry.value < low) or (high is not None and entry.value > high):
                side = "under" if low is not None and entry.value < low else "over"
                outside = f"{side} the range of real systems, {_between(low, high, entry.field.unit)}"
                reason = f"{entry.field.label.lower()}: {shown(entry.value, entry.field.unit)} is {outside}"
                self.source.warn("unusual", _loc(entry.word), reason, "keep it if that is what was counted")
            found[name] = replace(entry, outside=outside)
        return found


def _flat(raw: Mapping[str, Any], above: Loc = ()) -> Iterator[tuple[str, Any, Loc]]:
    """Fields with their dots: `places.home = 1` is a table in a table."""
    for key, value in raw.items():
        loc: Loc = (*above, key)
        word = ".".join(map(str, loc))
        if not above and key in ABOUT:
            continue
        if isinstance(value, dict) and not (set(value) & set(ENTRY)):
            yield from _flat(value, loc)
        else:
            yield word, value, ("system", *loc)


def _loc(word: str) -> Loc:
    return ("system", *word.split("."))


def _or(names: object) -> str:
    words = [str(name) for name in names]  # type: ignore[attr-defined]
    return " or ".join(words)


def _between(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None:
        return f"from {shown(low, unit)}" if low is not None else f"to {shown(high or 0.0, unit)}"
    return f"{shown(low, unit)} to {shown(high, unit)}"


def _pair(one: str, other: str, entry: EnteredField) -> Correlation:
    return Correlation(between=(one, other), rank_correlation=TOGETHER, source=f"parts of {entry.word}", status="assumption")


def _start(given: object, case: Case) -> datetime.date | None:
    if isinstance(given, datetime.date) and not isinstance(given, datetime.datetime):
        return given
    return date_in(given, case.calendar) if isinstance(given, str) and case.calendar else None


def form_tables(model: Model, case: Case, form: Form, names: Sequence[str]) -> FormTables:
    """The form as numbers, for parameters (or elements of them) that stand in the order of `names`."""
    covered = {name for item in form.fields.values() for name in item.parameters}
    tables: tuple[Mapping[str, Parameter | Uncertainty | Lever], ...] = (case.parameters, case.uncertainties, case.levers)
    grows = [one for table in tables for name, known in table.items() if known.extensive
             for one in element_names(model, model.variables[split(name)[0]]) if one not in covered]  # fmt: skip
    ranges = [model.variables[split(name)[0]].range for name in names]
    return tables_of(form, names, extensive=list(dict.fromkeys(grows)), extensive_with="population", ranges=ranges)


# --- put in ----------------------------------------------------------------------------------------------------------


def _model(model: Model, values: Mapping[str, float]) -> Model:
    """The model with other numbers for some parameters."""
    variables = dict(model.variables)
    for base in dict.fromkeys(split(name)[0] for name in values):
        item = variables[base]
        names = element_names(model, item)
        own = dict(zip(names, base_values(model, Named(base, item)), strict=True))
        numbers = own | {name: values[name] for name in names if name in values}
        equations = tuple(
            Equation(exact(numbers[name]), Number(numbers[name]), item.line, split(name)[1] if item.dimensions else ())
            for name in names
        )
        variables[base] = replace(item, equations=equations)
    return replace(model, variables=MappingProxyType(variables))


def _case(case: Case, model: Model, system: System, start: object) -> Case:
    """The case with the words and distributions of the system: what was counted elsewhere is not compared with it."""
    entered = {name: entry for entry in system.entries.values() for name in entry.field.parameters if name in system.values}
    whole = {split(name)[0] for name in entered}
    uncertainties = {name: item for name, item in case.uncertainties.items() if name not in entered and name not in whole}
    uncertainties |= system.uncertainties
    parameters = dict(case.parameters)
    for name in system.values:
        base = case.parameters.get(name) or case.parameters.get(split(name)[0]) or case.uncertainties.get(name)
        entry = entered.get(name)
        label = base.label if base and base.label else ""
        if entry is not None:
            source = f"{system.name or 'own system'}: {entry.source}"
            status: Status = "assumption" if entry.source == UNSAID else "verified"
            parameters[name] = Parameter(label=label, source=source, status=status, note=f"entered as {entry.word}")
        elif base is not None:
            note = "national value, put to the size of the system"
            parameters[name] = Parameter(label=label, source=base.source, status=base.status, note=note)
    calendar = case.calendar
    if start is not None and calendar is not None and (origin := _start(start, case)) is not None:
        calendar = replace(calendar, origin=origin)
    about = case.about.model_copy(update={"regions": system.name}) if system.name else case.about
    return dataclasses.replace(
        case, about=about, calendar=calendar, uncertainties=MappingProxyType(uncertainties),
        parameters=MappingProxyType(parameters), reference=MappingProxyType({}), observations=(),
    )  # fmt: skip


__all__ = ["BlankField", "EnteredField", "System", "form_tables", "marks", "shown", "system_of"]
