"""Workbooks recalculated by other programs: IronCalc in memory, LibreOffice from a changed file; and what the engine says.

Nothing here knows how flowreform lays a workbook out beyond what a reader sees: names in the fifth row of Engine, values from
the eighth row on, inputs by name on Inputs, the selector on Control.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil
import subprocess
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

import flowreform as fr
from flowreform.experiment import Experiment, Points
from flowreform.measure import time_faults
from flowreform.model import Role
from flowreform.names import Named, base_values, element_names, find, split

Series = dict[str, NDArray[np.float64]]
NAMES, FIRST = 5, 8
SELECTOR = "C6"


def shortened(experiment: Experiment, stop: float) -> Experiment:
    """The same experiment with a nearer end, and those of its KPIs that can still be taken."""
    case = experiment.case
    kpis = {
        name: kpi
        for name, kpi in experiment.kpis.items()
        if not time_faults(kpi, experiment.start, stop, experiment.save_every, case.calendar if case else None)
    }
    return dataclasses.replace(experiment, stop=stop, kpis=kpis)


def engine(
    experiment: Experiment, asked: Sequence[tuple[str, Mapping[str, float]]], columns: Collection[str] | None = None
) -> list[Series]:
    """Every variable (or those that `columns` name) at every step by the engine, for each (scenario, inputs changed where the
    scenario leaves them alone)."""
    specs = dataclasses.replace(
        experiment.model.specs, start=experiment.start, stop=experiment.stop, save_every=experiment.model.specs.dt
    )
    model = dataclasses.replace(experiment.model, specs=specs)
    settings = [{**changes, **experiment.scenarios[scenario].settings} for scenario, changes in asked]
    names = dict.fromkeys(name for one in settings for name in one)
    inputs: dict[str, list[float]] = {}
    for name in names:
        named = find(model, name, parameter=True)
        assert isinstance(named, Named)
        values = [one.get(name, base_values(model, named)[0]) for one in settings]
        assert not any(isinstance(value, Points) for value in values)
        inputs[name] = [float(value) for value in values]  # type: ignore[arg-type]
    wanted = None if columns is None else {split(name)[0] for name in columns}
    save = [
        variable.name
        for variable in model
        if variable.role not in (Role.LOOKUP, Role.PARAMETER) and (wanted is None or variable.name in wanted)
    ]
    ds = fr.simulate(model, inputs, save=save)
    found: list[Series] = [{} for _ in asked]
    for name in save:
        values = ds[name].transpose("run", "time", ...).values
        full = element_names(model, model.variables[name])
        by_element = values.reshape(*values.shape[:2], len(full))
        for i, element in enumerate(full):
            for run, answer in enumerate(found):
                answer[element] = by_element[min(run, len(values) - 1), :, i]
    return found


def worst(got: Series, wanted: Series, floors: Mapping[str, float] | None = None) -> tuple[float, str]:
    """The largest |a - b| / max|b| of any series that both have, and its name; `floors` gives a size to compare with instead."""
    found = (0.0, "")
    common = [name for name in got if name in wanted]
    assert common
    for name in common:
        a, b = got[name], wanted[name]
        assert a.shape == b.shape, name
        assert np.isfinite(a).all(), name
        size = max(float(np.abs(b).max()), (floors or {}).get(name, 0.0))
        difference = float(np.abs(a - b).max())
        relative = difference / size if size else (0.0 if difference == 0.0 else float("inf"))
        if relative > found[0]:
            found = (relative, name)
    return found


# --- IronCalc --------------------------------------------------------------------------------------------------------


class Sheet:
    """A workbook in IronCalc: what a person at a spreadsheet can do."""

    def __init__(self, path: Path) -> None:
        import ironcalc

        self.model = ironcalc.load_from_xlsx(str(path), "en", "UTC", "en")
        self.sheets = [
            sheet["name"] if isinstance(sheet, dict) else sheet.name for sheet in self.model.get_worksheets_properties()
        ]

    def value(self, sheet: str, cell: str) -> object:
        """The value of a cell such as C6."""
        row, column = position(cell)
        return self.model.get_cell_value(self.sheets.index(sheet), row, column)

    def set(self, sheet: str, cell: str, text: str) -> None:
        """Type into a cell."""
        row, column = position(cell)
        self.model.set_user_input(self.sheets.index(sheet), row, column, text)

    def choose(self, label: str) -> None:
        """Choose a scenario."""
        self.set("Control", SELECTOR, label)

    def change(self, changes: Mapping[str, float]) -> None:
        """Change inputs by name."""
        for name, cell in self.inputs().items():
            if name in changes:
                self.set("Inputs", cell, repr(changes[name]))

    def inputs(self) -> dict[str, str]:
        """The cell of each input's value by name."""
        at, row, found = self.sheets.index("Inputs"), FIRST, {}
        while name := str(self.model.get_cell_value(at, row, 1) or ""):
            found[name] = f"C{row}"
            row += 1
        return found

    def evaluate(self) -> None:
        """Recalculate everything."""
        self.model.evaluate()

    def last(self, name: str) -> object:
        """The value of a variable in the last row of Engine."""
        at, column, row = self.sheets.index("Engine"), 4, FIRST
        while self.model.get_cell_value(at, NAMES, column) != name:
            column += 1
        while self.model.get_cell_value(at, row + 1, 1) not in ("", None):
            row += 1
        return self.model.get_cell_value(at, row, column)

    def engine(self) -> Series:
        """Every column of Engine by name."""
        at, column = self.sheets.index("Engine"), 4
        rows = FIRST
        while self.model.get_cell_value(at, rows, 1) not in ("", None):
            rows += 1
        found: Series = {}
        while name := str(self.model.get_cell_value(at, NAMES, column) or ""):
            values = [self.model.get_cell_value(at, row, column) for row in range(FIRST, rows)]
            found[name] = np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64)
            column += 1
        return found


def position(cell: str) -> tuple[int, int]:
    """Row and column, from 1, of an address such as C6."""
    match = re.fullmatch(r"([A-Z]+)(\d+)", cell)
    assert match
    column = 0
    for letter in match[1]:
        column = 26 * column + ord(letter) - 64
    return int(match[2]), column


# --- LibreOffice -----------------------------------------------------------------------------------------------------

# Recalculate always when loading (it does not by itself), and by one thread: with several, LibreOffice 7.4 can work a column out
# from cells of another sheet that it has not recalculated yet.
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">
<value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Formula/Calculation"><prop oor:name="UseThreadedCalculationForFormulaGroups"
 oor:op="fuse"><value>false</value></prop></item>
</oor:items>
"""


def patched(path: Path, out: Path, cells: Mapping[tuple[str, str], float | str]) -> Path:
    """A copy with constants in some cells changed and every cached value of the Engine sheet as it was."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        members = _members(old)
        by_member: dict[str, dict[str, float | str]] = {}
        for (sheet, cell), value in cells.items():
            by_member.setdefault(members[sheet], {})[cell] = value
        for item in old.infolist():
            data = old.read(item)
            if item.filename in by_member:
                text = data.decode()
                for cell, value in by_member[item.filename].items():
                    text = _with_cell(text, cell, value)
                data = text.encode()
            new.writestr(item, data)
    return out


def _members(book: zipfile.ZipFile) -> dict[str, str]:
    names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
    return {name: f"xl/worksheets/sheet{i + 1}.xml" for i, name in enumerate(names)}


def _with_cell(text: str, cell: str, value: float | str) -> str:
    if isinstance(value, str):
        inside = f't="inlineStr"><is><t>{escape(value)}</t></is></c>'
    else:
        inside = f"><v>{value!r}</v></c>"
    pattern = re.compile(rf'(<c r="{cell}"(?: s="\d+")?)(?: t="\w+")?(?:/>|>.*?</c>)')
    changed, count = pattern.subn(
        lambda match: f"{match[1]} {inside}" if inside[0] != ">" else f"{match[1]}{inside}", text, count=1
    )
    assert count == 1, cell
    return changed


def input_cells(path: Path) -> dict[str, str]:
    """The cell of each input's value by name, without a spreadsheet program."""
    from python_calamine import CalamineWorkbook

    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("Inputs").to_python(skip_empty_area=False)
    found = {}
    for row, cells in enumerate(rows[FIRST - 1 :], FIRST):
        if not cells[0]:
            break
        found[str(cells[0])] = f"C{row}"
    return found


def by_soffice(path: Path, folder: Path) -> Series:
    """Every column of Engine after LibreOffice has recalculated the whole file."""
    profile = folder / "profile"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_PROFILE)
    with zipfile.ZipFile(path) as book:
        number = list(_members(book)).index("Engine") + 1
    filters = f"csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,{number}"
    command = [
        "soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", filters, "--outdir",
        str(folder), str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    made = folder / f"{path.stem}-Engine.csv"
    with made.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    made.unlink()
    names, values = rows[NAMES - 1], rows[FIRST - 1 :]
    columns = list(zip(*values, strict=True))
    return {name: np.array([_float(cell) for cell in columns[i]]) for i, name in enumerate(names) if i > 2 and name}


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def cleaned(folder: Path) -> None:
    """Take a profile away: it is some megabytes."""
    shutil.rmtree(folder / "profile", ignore_errors=True)
