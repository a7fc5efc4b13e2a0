"""What a system can count, field by field: `form.csv` beside a model, and the words of other countries in `vocabulary.csv`.

A field is what a planner types in; its row says which parameters of the model it gives a number to, and how: `parameters` are
those whose sum it is (`split` sum: they keep their proportions) or that are each equal to it (each), after `factor`, times what
`of` names and over what `over` names. A field without parameters is only compared. A blank keeps the model's own value, scaled
with another field where `scales_with` says so. `blank` says
what else it takes. `low`, `high`, `median` and `best_quarter` are of real systems, for one unit of
what the field scales with.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from flowreform.case.solving import counted, product, products_of, tables_of
from flowreform.case.uncertainty import Status
from flowreform.errors import Finding, did_you_mean, error, shorten
from flowreform.files import read_plain
from flowreform.model import Model
from flowreform.names import Unknown, find
from flowreform.text import as_number

NAME, WORDS, START = "form.csv", "vocabulary.csv", "start.csv"
COLUMNS = (
    "field", "label", "owner", "depth", "unit", "parameters", "split", "factor", "of", "over", "scales_with", "low", "high",
    "best_quarter", "median", "blank", "choices", "definition", "where_found", "date", "source", "status",
)  # fmt: skip
WORD_COLUMNS = ("vocabulary", "word", "field", "factor", "note")
START_COLUMNS = (
    "label", "expression", "unit", "entered", "at_least", "at_most", "low", "high", "best_quarter", "median", "change", "source",
)  # fmt: skip
DEPTHS = ("first", "should", "may")
STATUSES = (*get_args(Status), "read", "secondary", "gap")
VALUE = "value"
"""Stands, in `of` and `over`, for the number typed in."""
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Product:
    """`factor` times the parameters in `of`, over those in `over`."""

    factor: float = 1.0
    of: tuple[str, ...] = ()
    over: tuple[str, ...] = ()

    def at(self, values: Mapping[str, float]) -> float:
        """Its number, where parameters have these values; infinite over zero."""
        names = list(dict.fromkeys((*self.of, *self.over)))
        places = {name: at for at, name in enumerate(names)}
        return product(products_of([self], places), [values[name] for name in names], 0)


@dataclass(frozen=True)
class BlankRule:
    """What a field that is left blank takes: the largest or the smallest of some numbers, its own perhaps among them."""

    largest: bool
    own: bool
    parts: tuple[Product, ...]


@dataclass(frozen=True)
class Field:
    """One row of the form. Shares are fractions here, whatever the unit shown; `scales_with` names a field."""

    name: str
    label: str
    owner: str
    depth: str
    unit: str
    parameters: tuple[str, ...]
    each: bool
    sum: Product
    scales_with: str
    low: float | None
    high: float | None
    best_quarter: float | None
    median: float | None
    blank: BlankRule | None
    choices: Mapping[str, float]
    definition: str
    where_found: str
    date: str
    source: str
    status: str
    line: int = 0

    @property
    def is_share(self) -> bool:
        """Whether people write it in per cent."""
        return self.unit.startswith("%")

    @property
    def rank(self) -> tuple[int, int, int]:
        """The order in which entries are taken: parts before totals, and what needs no other number before what does."""
        needs = [name for name in (*self.sum.of, *self.sum.over) if name != VALUE]
        return len(needs), len(self.parameters), self.line

    def entered(self, parameters: Mapping[str, float]) -> float | None:
        """What a person would have counted where the model's parameters have these values; None for what is only compared."""
        names = [name for name in dict.fromkeys((*self.parameters, *self.sum.of, *self.sum.over)) if name != VALUE]
        alone = Form({self.name: replace(self, scales_with="", blank=None)})
        found = counted(tables_of(alone, names), [parameters[name] for name in names], 0)
        return None if found != found else found


@dataclass(frozen=True)
class Identity:
    """A row of `start.csv`: what the solved start comes to, in a unit of the form, and what it must agree with.

    `expression` is over variables of the model and fields that are only compared; `entered` a field that counts the same;
    outside `at_least` to `at_most` the start does not add up, and `change` says what to look at."""

    label: str
    expression: Product
    unit: str
    entered: str
    at_least: float | None
    at_most: float | None
    low: float | None
    high: float | None
    best_quarter: float | None
    median: float | None
    change: str
    source: str


@dataclass(frozen=True)
class Form:
    """All fields by name, in order, and the words of other countries: for each vocabulary, word to field and factor."""

    fields: Mapping[str, Field]
    words: Mapping[str, Mapping[str, tuple[str, float]]] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    start: tuple[Identity, ...] = ()

    @property
    def owners(self) -> tuple[str, ...]:
        """Who holds the numbers, in order."""
        return tuple(dict.fromkeys(item.owner for item in self.fields.values()))


def read_form(path: Path, model: Model, findings: list[Finding]) -> Form | None:
    """The form beside a model, checked against it; None where there is none, or it has faults, which are added."""
    if not os.path.lexists(path):
        return None
    before = len(findings)
    rows = _rows(path, COLUMNS, findings)
    fields: dict[str, Field] = {}
    for line, row in rows:
        made = _field(row, line, str(path), model, findings)
        if made is None:
            continue
        if made.name in fields:
            findings.append(
                error("form", "the field stands there already", "keep one", file=str(path), line=line, element=made.name)
            )
        fields[made.name] = made
    for made in fields.values():
        if made.scales_with and made.scales_with not in fields:
            hint = did_you_mean(made.scales_with, fields)
            findings.append(
                error("form", "scales_with names no field", hint, file=str(path), line=made.line, element=made.scales_with)
            )
    words, notes = _words(path.with_name(WORDS), fields, findings)
    start = _start(path.with_name(START), fields, model, findings)
    return Form(MappingProxyType(fields), words, notes, start) if len(findings) == before else None


def _rows(path: Path, columns: tuple[str, ...], findings: list[Finding]) -> list[tuple[int, dict[str, str]]]:
    def fault(reason: str, line: int = 0, element: str = "") -> None:
        findings.append(error("form", reason, f"columns are {', '.join(columns)}", file=str(path), line=line, element=element))

    try:
        text = read_plain(path, MAX_BYTES).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        found = []
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                fault(f"{len(cells)} cells in a row of {len(header)} columns", reader.line_num)
                continue
            found.append((reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    except (OSError, UnicodeDecodeError, csv.Error) as failed:
        fault(f"the table cannot be read: {shorten(str(failed), 80)}")
        return []
    wrong = [name for name in columns if name not in header] + [name for name in header if name not in columns]
    for name in wrong:
        fault("this column is missing or unknown", 1, name)
    return [] if wrong else found


def _field(row: Mapping[str, str], line: int, file: str, model: Model, findings: list[Finding]) -> Field | None:
    before = len(findings)

    def fault(key: str, reason: str, repair: str = "") -> None:
        findings.append(error("form", reason, repair, file=file, line=line, element=f"{row['field']} {key}"))

    def amount(key: str) -> float | None:
        found = as_number(row[key]) if row[key] else None
        if row[key] and found is None:
            fault(key, f"a number is needed, not {shorten(row[key], 40)}", "write a decimal point")
        return found

    def names(key: str, text: str) -> tuple[str, ...]:
        for name in text.split():
            found = find(model, name, parameter=True)
            if name != VALUE and (isinstance(found, Unknown) or found.is_array):
                reason, repair = (found.reason, found.repair) if isinstance(found, Unknown) else ("one number is needed", "")
                fault(key, reason, repair or "name an element")
        return tuple(text.split())

    for key, known in (("depth", DEPTHS), ("split", ("sum", "each")), ("status", STATUSES)):
        if row[key] not in known:
            fault(key, f"{row[key]!r} is not one of {', '.join(known)}")
    for key in ("field", "label", "owner"):
        if not row[key]:
            fault(key, "this is empty")
    over = names("over", row["over"])
    of = names("of", row["of"]) if row["of"] else () if over else (VALUE,)
    total = Product((amount("factor") if row["factor"] else None) or 1.0, of, over)
    choices = {}
    for part in row["choices"].split():
        word, _, text = part.partition("=")
        choices[word] = as_number(text) or 0.0
    blank = None
    if row["blank"]:
        word, _, rest = row["blank"].partition(":")
        texts = [part.strip() for part in rest.split("|")]
        if word not in ("min", "max"):
            fault("blank", "it is min: or max: of some numbers", "write min: own | 0.95 * places / discharges")
        products = [_product(text) for text in texts if text != "own"]
        for product in products:
            names("blank", " ".join((*product.of, *product.over)))
        blank = BlankRule(word == "max", "own" in texts, tuple(products))
    made = Field(
        name=row["field"], label=row["label"], owner=row["owner"], depth=row["depth"], unit=row["unit"],
        parameters=names("parameters", row["parameters"]), each=row["split"] == "each", sum=total,
        scales_with=row["scales_with"],
        low=amount("low"), high=amount("high"), best_quarter=amount("best_quarter"), median=amount("median"), blank=blank,
        choices=MappingProxyType(choices), definition=row["definition"], where_found=row["where_found"], date=row["date"],
        source=row["source"], status=row["status"], line=line,
    )  # fmt: skip
    return made if len(findings) == before else None


def _product(text: str) -> Product:
    """`0.95 * a * b / c / d`."""
    upper, *lower = (part.replace("*", " ").split() for part in text.split("/"))
    numbers = [found for part in upper if (found := as_number(part)) is not None]
    of = tuple(part for part in upper if as_number(part) is None)
    return Product(numbers[0] if numbers else 1.0, of, tuple(part for one in lower for part in one))


def _start(path: Path, fields: Mapping[str, Field], model: Model, findings: list[Finding]) -> tuple[Identity, ...]:
    found = []
    for line, row in _rows(path, START_COLUMNS, findings) if os.path.lexists(path) else ():
        expression = _product(row["expression"])
        for name in (*expression.of, *expression.over):
            named = find(model, name)
            if name not in fields and (isinstance(named, Unknown) or named.is_array):
                reason = "a name of the expression is no variable and no field"
                findings.append(
                    error("form", reason, did_you_mean(name, model.variables), file=str(path), line=line, element=name)
                )
        if row["entered"] and row["entered"] not in fields:
            hint = did_you_mean(row["entered"], fields)
            findings.append(error("form", "there is no such field", hint, file=str(path), line=line, element=row["entered"]))
        low, high, best, median = (as_number(row[key]) for key in ("low", "high", "best_quarter", "median"))
        found.append(
            Identity(
                row["label"], expression, row["unit"], row["entered"], as_number(row["at_least"]), as_number(row["at_most"]),
                low, high, best, median, row["change"], row["source"],
            )
        )  # fmt: skip
    return tuple(found)


_PLAIN = re.compile(r"[a-z0-9_.]+")


def _words(
    path: Path, fields: Mapping[str, Field], findings: list[Finding]
) -> tuple[Mapping[str, Mapping[str, tuple[str, float]]], Mapping[tuple[str, str], str]]:
    found: dict[str, dict[str, tuple[str, float]]] = {}
    notes: dict[tuple[str, str], str] = {}
    for line, row in _rows(path, WORD_COLUMNS, findings) if os.path.lexists(path) else ():
        factor = as_number(row["factor"])
        if row["field"] not in fields or factor is None or factor <= 0 or not _PLAIN.fullmatch(row["word"]):
            reason = "a word needs a field of the form, and a factor above 0"
            findings.append(
                error("form", reason, did_you_mean(row["field"], fields), file=str(path), line=line, element=row["word"])
            )
            continue
        found.setdefault(row["vocabulary"], {})[row["word"]] = (row["field"], factor)
        notes[row["vocabulary"], row["word"]] = row["note"]
    return MappingProxyType({name: MappingProxyType(words) for name, words in found.items()}), MappingProxyType(notes)
