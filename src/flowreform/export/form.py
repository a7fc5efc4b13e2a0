"""The form of a model in a spreadsheet, to be filled by those who hold the numbers: a sheet for each of them.

The fields that are counted come first and none is compulsory: beside each stands, in grey, what is taken when it is blank,
at the size of the system, and the range of real systems, outside which a flag appears. `experiment.form_file` reads it back.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowreform.case.form import DEPTHS, Field, Form
from flowreform.case.tables import Case
from flowreform.errors import ExperimentError, error, one_line
from flowreform.experiment import Experiment, Points
from flowreform.experiment.form_file import FIELD, HIGH, KEY, LABEL, LEVER, LOW, OPTIONS, SHEETS, SOURCE, SYSTEM, VALUE
from flowreform.experiment.system import EnteredField
from flowreform.export.workbook.book import source_date
from flowreform.files import write_file
from flowreform.model import Model
from flowreform.names import parameter_values, split

HEADS = (
    FIELD, "What is counted", VALUE, LOW, HIGH, "Unit", "Taken when blank", "Real systems: low", "Real systems: high", "Flag",
    "Definition", "Where it is found", SOURCE, "National value and range: source",
)  # fmt: skip
WIDTHS = (32, 46, 14, 12, 12, 14, 16, 14, 14, 34, 60, 44, 34, 60)
FIRST = 4
"""The row of the first field, from 0."""
LINE, HEIGHT = 56, 14
"""Characters of a line of the sheet System, and points of its height."""
DEPTH_WORDS = {"first": "First: what every system counts", "should": "If you have them", "may": "The rest"}


def write_form(path: Path, model: Model, case: Case, experiment: Experiment) -> None:
    """Write the form, with the options and what is entered of an experiment. Raises ExperimentError where the model has none."""
    if case.form is None:
        raise ExperimentError(error("no-form", "the model has no form.csv beside it", "use care_shift", file=model.file))
    write_file(path, lambda temporary: FormWriter(temporary, model, case, case.form, experiment).write())  # type: ignore[arg-type]


def _printed(page: Any) -> None:
    """A sheet for people: no grid, and as wide as a page lies."""
    page.hide_gridlines(2)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)


class FormWriter:
    """One file."""

    def __init__(self, path: Path, model: Model, case: Case, form: Form, experiment: Experiment) -> None:
        import xlsxwriter

        self.book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
        created = datetime.datetime.combine(source_date() or datetime.date(2000, 1, 1), datetime.time())
        self.book.set_properties({"title": case.about.title, "created": created})
        self.model, self.case, self.form, self.experiment = model, case, form, experiment
        self.national = parameter_values(model)
        self.entries: Mapping[str, EnteredField] = experiment.system.entries if experiment.system else {}
        self.rows = {item.name: row for owner in form.owners for item, row in _placed(form, owner) if item is not None}

    def look(self, **properties: Any) -> Any:
        return self.book.add_format({"font_name": "Arial", "font_size": 10, "valign": "top", **properties})

    def write(self) -> None:
        self._system()
        for owner in self.form.owners:
            self._owner(owner)
        self._options()
        self.book.close()

    # --- the sheets ------------------------------------------------------------------------------------------------------

    def _system(self) -> None:
        page = self.book.add_worksheet(SYSTEM)
        _printed(page)
        for column, width in enumerate((44, 60, 24)):
            page.set_column(column, column, width)
        title, small, grey = self.look(bold=True, font_size=16), self.look(text_wrap=True), self.look(font_color="#768692")
        input_ = self.look(bg_color="#FFF2CC", border=1, border_color="#BF9000", text_wrap=True)
        head = self.look(bold=True, bg_color="#E8EDEE")
        page.write_string(0, 0, one_line(self.case.about.title), title)
        page.merge_range(1, 0, 1, 2, "", small)
        page.write_string(
            1, 0, "Fill the yellow cells you can; none is compulsory. A blank takes the value in grey beside it. Then "
            "run: flowreform start FILE.xlsx, flowreform run FILE.xlsx -o out.", small,
        )  # fmt: skip
        page.set_row(1, 30)
        for column, word in enumerate(("", VALUE, KEY)):
            page.write_string(3, column, word, head)
        for at, (label, value, key) in enumerate(self._head(), 4):
            page.write_string(at, 0, label, small)
            if isinstance(value, str):
                page.write_string(at, 1, value, grey if key == SHEETS else input_)
            else:
                page.write_number(at, 1, value, input_)
            page.write_string(at, 2, key, grey)
            if isinstance(value, str) and len(value) > LINE:
                page.set_row(at, HEIGHT * (1 + len(value) // LINE))
        scale = len(self._head()) + 6
        page.write_string(scale - 1, 0, "Size against the national system of the model", head)
        for at, name in enumerate(self._scales()):
            page.write_string(scale + at, 0, self.form.fields[name].label, grey)
            page.write_formula(scale + at, 1, self._scale_formula(name), grey, self._size(name))
        self.scale_at = {name: f"'{SYSTEM}'!$B${scale + at + 1}" for at, name in enumerate(self._scales())}

    def _head(self) -> list[tuple[str, str | float, str]]:
        given, system = self.experiment, self.experiment.system
        table = system.table if system else {}
        return [
            ("Title of tables and charts", given.title, "experiment.title"),
            ("The question", given.question, "experiment.question"),
            ("Name of the system", str(table.get("name", "")), "system.name"),
            ("First month (such as April 2026)", str(table.get("start", "")), "system.start"),
            ("Where your numbers come from", str(table.get("source", "")), "system.source"),
            (f"Words of another country ({', '.join(self.form.words)})", str(table.get("vocabulary", "")), "system.vocabulary"),
            ("Samples of what is uncertain", float(given.draws), "experiment.draws"),
            ("Seed of the samples", float(given.seed), "experiment.seed"),
            ("Option that the others are compared with", given.baseline, "experiment.baseline"),
            ("Measures", ", ".join(given.kpis), "experiment.kpis"),
            ("Variables kept over time", ", ".join(given.save), "experiment.save"),
            ("Outcomes of the paper", ", ".join(given.paper.outcomes), "paper.outcomes"),
            ("Series that decides", given.paper.decides, "paper.decides"),
            ("Levers of the page", ", ".join(given.paper.levers), "paper.levers"),
            ("Last month that is run", given.stop, "experiment.stop"),
            ("Model", self.model.name, "experiment.model"),
            ("Vary all that is uncertain", "all", "experiment.uncertainties"),
            ("Sheets that are read", ", ".join(self.form.owners), SHEETS),
        ]

    def _owner(self, owner: str) -> None:
        page = self.book.add_worksheet(owner)
        _printed(page)
        for column, width in enumerate(WIDTHS):
            page.set_column(column, column, width)
        head = self.look(bold=True, bg_color="#E8EDEE", text_wrap=True, bottom=1)
        part = self.look(bold=True, font_color="#003087", top=1)
        page.write_string(0, 0, f"{owner}: fill what you can", self.look(bold=True, font_size=14))
        page.write_string(
            1, 0, "Value for a number you are sure of; Low and High where you are not. A flag asks you to look again, it refuses "
            "nothing.", self.look(),
        )  # fmt: skip
        for column, word in enumerate(HEADS):
            page.write_string(FIRST - 1, column, word, head)
        page.freeze_panes(FIRST, 2)
        for item, row in _placed(self.form, owner):
            if isinstance(item, Field):
                self._field(page, item, row)
            else:
                depth = next(depth for depth, place in _headings(self.form, owner).items() if place == row)
                for column in range(len(HEADS)):
                    page.write_string(row, column, DEPTH_WORDS[depth] if column == 0 else "", part)

    def _field(self, page: Any, item: Field, row: int) -> None:
        form = "0.0##%" if item.is_share else "General"
        input_ = self.look(bg_color="#FFF2CC", border=1, border_color="#BF9000", num_format=form)
        grey, text = self.look(font_color="#768692", num_format=form), self.look(text_wrap=True)
        page.write_string(row, 0, item.name, text)
        page.write_string(row, 1, item.label, text)
        entry = self.entries.get(item.name)
        numbers: list[float | None] = [None, None, None]
        if entry is not None:
            drawn = entry.drawn
            numbers = [entry.value, None, None] if drawn is None else [drawn.mode, *drawn.support]
        for column, value in enumerate(numbers, 2):
            if item.choices and value is not None:
                page.write_string(row, column, next(word for word, number in item.choices.items() if number == value), input_)
            elif value is None:
                page.write_blank(row, column, None, input_)
            else:
                page.write_number(row, column, value, input_)
        self._validate(page, item, row)
        page.write_string(row, 5, item.unit, text)
        own = item.entered(self.national)
        scale = self.scale_at.get(item.scales_with, "1")
        size = self._size(item.scales_with) if item.scales_with else 1.0
        for column, value in ((6, own), (7, item.low), (8, item.high)):
            if item.choices and column == 6:
                page.write_string(row, column, next((w for w, n in item.choices.items() if n == own), ""), grey)
            elif value is not None:
                page.write_formula(row, column, f"={value!r}*{scale}", grey, value * size)
            else:
                page.write_string(row, column, "", grey)
        self._flag(page, item, row, entry)
        for column, words in ((10, item.definition), (11, item.where_found), (12, entry.source if entry else "")):
            page.write_string(row, column, one_line(words), input_ if column == 12 else text)
        page.write_string(row, 13, one_line("; ".join(part for part in (item.date, item.source, item.status) if part)), text)

    def _flag(self, page: Any, item: Field, row: int, entry: EnteredField | None) -> None:
        c, d, h, i = (f"{letter}{row + 1}" for letter in "CDHI")
        number = f'IF(ISNUMBER({c}),{c},IF(ISNUMBER({d}),{d},""))'
        parts = '""'
        if item.high is not None:
            parts = f'IF({number}>{i},"over the range of real systems",{parts})'
        if item.low is not None:
            parts = f'IF({number}<{h},"under the range of real systems",{parts})'
        formula = f'=IF(COUNTA({c}:{d})=0,"national value",IF(ISNUMBER({number}),{parts},""))'
        cached = "national value" if entry is None else ""
        if entry is not None and not item.choices:
            size = self._size(item.scales_with) if item.scales_with else 1.0
            typed = entry.value if entry.drawn is None or entry.drawn.mode is not None else entry.drawn.support[0]
            if item.high is not None and typed > item.high * size:
                cached = "over the range of real systems"
            if item.low is not None and typed < item.low * size:
                cached = "under the range of real systems"
        page.write_formula(row, 9, formula, self.look(font_color="#C05600", text_wrap=True), cached)

    def _validate(self, page: Any, item: Field, row: int) -> None:
        if item.choices:
            page.data_validation(row, 2, row, 2, {"validate": "list", "source": list(item.choices)})
            return
        low, high = None, None
        if item.parameters and (item.each or len(item.parameters) == 1) and not item.sum.over and len(item.sum.of) == 1:
            low, high = self.model.variables[split(item.parameters[0])[0]].range
        factor = item.sum.factor
        low, high = (None if bound is None else bound / factor for bound in (low, high))
        rule: dict[str, Any] = {"validate": "decimal", "ignore_blank": True, "error_title": "Not taken", "criteria": "between"}
        rule |= {"minimum": -1e300 if low is None else low, "maximum": 1e300 if high is None else high}
        unit = item.unit or "number"
        where = f"{item.label}. In {unit}." + ("" if low is None or high is None else f" From {low:g} to {high:g}.")
        rule |= {
            "input_title": item.name[:32],
            "input_message": where[:250],
            "error_message": f"A number in {unit} is needed."[:250],
        }
        page.data_validation(row, 2, row, 4, rule)

    def _options(self) -> None:
        page = self.book.add_worksheet(OPTIONS)
        _printed(page)
        page.set_column(0, 0, 36)
        page.set_column(1, 1, 50)
        page.set_column(2, 2, 14)
        scenarios = self.experiment.scenarios
        page.set_column(3, 2 + max(1, len(scenarios)), 26)
        head, text = self.look(bold=True, bg_color="#E8EDEE", bottom=1), self.look(text_wrap=True)
        input_ = self.look(bg_color="#FFF2CC", border=1, border_color="#BF9000", text_wrap=True)
        page.write_string(0, 0, "Options: a column for each, a row for each lever; blank leaves a lever alone",
                          self.look(bold=True, font_size=14))  # fmt: skip
        for column, word in enumerate((LEVER, "What it is", "Unit", *scenarios)):
            page.write_string(3, column, word, head)
        page.freeze_panes(4, 2)
        page.write_string(4, 0, LABEL, text)
        page.write_string(4, 1, "The name shown", text)
        for column, scenario in enumerate(scenarios.values(), 3):
            page.write_string(4, column, scenario.label, input_)
        for row, name in enumerate(self._levers(), 5):
            variable = self.model.variables[split(name)[0]]
            page.write_string(row, 0, name, text)
            page.write_string(row, 1, one_line(self._label(name) or variable.doc), text)
            page.write_string(row, 2, variable.units or "", text)
            for column, scenario in enumerate(scenarios.values(), 3):
                value = scenario.settings.get(name)
                if value is None or isinstance(value, Points):
                    page.write_blank(row, column, None, input_)
                else:
                    page.write_number(row, column, value, input_)

    def _levers(self) -> list[str]:
        used = dict.fromkeys(name for item in self.experiment.scenarios.values() for name in item.settings)
        whole = {split(name)[0] for name in used}
        return [*used, *(name for name in self.case.levers if split(name)[0] not in whole and
                         not self.model.variables[split(name)[0]].dimensions)]  # fmt: skip

    def _label(self, name: str) -> str:
        for table in (self.case.levers, self.case.parameters, self.case.uncertainties):
            item = table.get(name) or table.get(split(name)[0])
            if item is not None and item.label:
                return item.label
        return ""

    # --- the size of the system --------------------------------------------------------------------------------------------

    def _scales(self) -> list[str]:
        return list(dict.fromkeys(item.scales_with for item in self.form.fields.values() if item.scales_with))

    def _size(self, name: str) -> float:
        system = self.experiment.system
        return system.sizes.get(name, 1.0) if system else 1.0

    def _scale_formula(self, name: str) -> str:
        def cell(one: str) -> tuple[str, float]:
            item = self.form.fields[one]
            return f"'{item.owner}'!$C${self.rows[one] + 1}", item.entered(self.national) or 1.0

        text = "1"
        for one in reversed([name, *(other for other in self._scales() if other != name)]):
            place, own = cell(one)
            text = f"IF(ISNUMBER({place}),{place}/{own!r},{text})"
        return f"={text}"


def _headings(form: Form, owner: str) -> dict[str, int]:
    """The row of each part of a sheet."""
    found, row = {}, FIRST
    for depth in DEPTHS:
        many = sum(item.owner == owner and item.depth == depth for item in form.fields.values())
        if many:
            found[depth] = row
            row += many + 1
    return found


def _placed(form: Form, owner: str) -> Iterator[tuple[Field | None, int]]:
    """The fields of a sheet and their rows, counted first; None for the heading of a part."""
    for depth, row in _headings(form, owner).items():
        yield None, row
        items = (item for item in form.fields.values() if item.owner == owner and item.depth == depth)
        for at, item in enumerate(items, row + 1):
            yield item, at
