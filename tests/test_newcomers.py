"""CONTRIBUTING's table of places, proved: each kind of thing is added to a copy of the project, in the places that it names.

With all of them in place the tests that walk the table pass; with any one left out a test fails by the name of the new thing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """One place where something is written: a file, what stands there, and what goes in before it."""

    file: str
    anchor: str
    text: str


@dataclass(frozen=True)
class Task:
    """A thing that is added: its name, its places, the tests that walk its table, and what then works."""

    name: str
    places: tuple[Place, ...]
    tests: tuple[str, ...]
    works: str


LOGUNIFORM = '''@dataclass(frozen=True)
class Loguniform(Bounded):
    """Every order of magnitude between two positive numbers equally likely."""

    positive: ClassVar[tuple[str, ...]] = ("low",)

    def quantile(self, u: Floats) -> Floats:
        return self.clip(self.low * (self.high / self.low) ** u)


'''
PEARSON = '''def pearson(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """The correlation of each input with each output."""
    inputs = (design.unit - design.unit.mean(axis=0)) / design.unit.std(axis=0)
    return Indices({"r": inputs.T @ ((outputs - outputs.mean(axis=0)) / outputs.std(axis=0)) / len(outputs)})


'''
SPAN = """    "span": Statistic(
        "highest less lowest",
        lambda v, t, x: np.asarray(v.max(axis=-1) - v.min(axis=-1)),
        lambda c: f"(MAX({c.values})-MIN({c.values}))",
    ),
"""
MARKDOWN = '''def kpis_markdown(name: str, asked: Asked) -> Written:
    """The KPI table as Markdown, for a wiki."""
    from flowreform.files import write_text
    from flowreform.text import markdown

    source, made = _results(name, asked)
    frame = _kpis(source).to_dataframe()
    write_text(asked.output, markdown([str(column) for column in frame], [[str(cell) for cell in row] for row in frame.values]))
    return made


'''
TASKS = (
    Task(
        "cube",
        (
            Place("src/flowreform/arithmetic.py", "def absolute(", "def cube(x: float) -> float:\n    return x * x * x\n\n\n"),
            Place(
                "src/flowreform/builtins.py",
                '    builtin("abs(x: a) -> a"',
                '    builtin("cube(x: a) -> a^3", Kind.PURE, ieee.cube, "({0})*({0})*({0})"),\n',
            ),
        ),
        ("tests/test_builtins.py", "tests/test_newcomer_run.py"),
        "from building import auxiliary, model, parameter\n"
        "assert fr.simulate(model([parameter('p', 3.0), auxiliary('y', 'CUBE(p)')]))['y'].values[0, -1] == 27.0",
    ),
    Task(
        "span",
        (
            Place("src/flowreform/statistics.py", '    "increase": Statistic(', SPAN),
            Place("tests/test_statistics.py", '    "increase": [', '    "span": [(0.0, 11.0)],\n'),
        ),
        ("tests/test_statistics.py", "tests/test_newcomer_run.py"),
        "kpi = {'variable': 'open_beds', 'statistic': 'span'}\n"
        "exp = fr.Experiment(WARD, kpis={'span_of_beds': kpi})\n"
        "beds = fr.run(exp)['open_beds'].values\n"
        "assert float(fr.kpis(fr.run(exp), exp)['span_of_beds'].squeeze()) == beds.max() - beds.min()",
    ),
    Task(
        "pearson",
        (
            Place("src/flowreform/analyse/sensitivity/estimators.py", "def ff(design", PEARSON),
            Place(
                "src/flowreform/analyse/sensitivity/methods.py",
                '    "regional": _method(',
                '    "pearson": _method("correlation", designs.latin, estimators.pearson, ("r",), "r", 16, given=True),\n',
            ),
            Place(
                "src/flowreform/analyse/sensitivity/methods.py", '    "S1": "share', '    "r": "correlation with the input",\n'
            ),
            Place("tests/sensitivity/test_methods.py", '    "tornado": "a sum', '    "pearson": "numpy.corrcoef",\n'),
        ),
        ("tests/sensitivity/test_methods.py", "tests/test_newcomer_run.py"),
        "exp = fr.Experiment(WARD, uncertainties={'closure_rate': {'distribution': 'uniform', 'low': 0.01, 'high': 0.02}})\n"
        "found = fr.sensitivity(exp, 'pearson', 32, kpis=['beds_at_end'])\n"
        "assert float(found['kpi_index'].squeeze()) < -0.99",
    ),
    Task(
        "loguniform",
        (
            Place("src/flowreform/case/distributions.py", "@dataclass(frozen=True)\nclass Peaked", LOGUNIFORM),
            Place("src/flowreform/case/distributions.py", '    "discrete": Discrete', '    "loguniform": Loguniform,\n'),
            Place(
                "tests/test_sampling.py",
                '    (made("normal", mean=-3.0',
                '    (made("loguniform", low=1.0, high=100.0), stats.loguniform(1.0, 100.0)),\n',
            ),
        ),
        ("tests/test_sampling.py", "tests/test_newcomer_run.py"),
        "table = {'distribution': 'loguniform', 'low': 0.01, 'high': 0.1}\n"
        "assert (fr.draws(fr.Experiment(WARD, uncertainties={'closure_rate': table}, draws=9))['closure_rate'] < 0.1).all()",
    ),
    Task(
        "kpis_markdown",
        (
            Place(
                "src/flowreform/commands/kinds.py",
                '    FileKind("the whole Dataset',
                '    FileKind("KPIs, a row for every run", (".md",), "kpis_markdown"),\n',
            ),
            Place("src/flowreform/commands/export.py", "def netcdf(", MARKDOWN),
        ),
        ("tests/commands/test_export.py", "tests/test_newcomer_run.py"),
        "from typer.testing import CliRunner\n"
        "from flowreform.cli import app\n"
        "assert CliRunner().invoke(app, ['export', str(PACE), '-o', 'k.md']).exit_code == 0\n"
        "assert Path('k.md').read_text().startswith('| beds_at_end')",
    ),
)


def copy_of_the_project(folder: Path) -> Path:
    """The project's own files, as small as the tests of a table allow."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("models", "experiments"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def put(folder: Path, place: Place) -> None:
    """Write into a place; its anchor must be there once."""
    path = folder / place.file
    text = path.read_text(encoding="utf-8")
    assert text.count(place.anchor) == 1, f"{place.file} holds {place.anchor!r} {text.count(place.anchor)} times"
    path.write_text(text.replace(place.anchor, place.text + place.anchor), encoding="utf-8")


def run_tests(folder: Path, tests: tuple[str, ...], name: str) -> subprocess.CompletedProcess[str]:
    """The tests of a copy that have to do with a name: those of the walk that carry it, or that compare whole tables."""
    words = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-k", f"{name} or every_statistic or newcomer"]
    command = [sys.executable, "-m", "pytest", *words, *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def label(value: Task | Place | None) -> str:
    return "whole" if value is None else value.name if isinstance(value, Task) else f"without-{Path(value.file).stem}"


CASES = [
    *((task, None) for task in TASKS),
    *(pytest.param(task, left_out, marks=pytest.mark.slow) for task in TASKS for left_out in task.places),
]


@pytest.mark.parametrize(("task", "left_out"), CASES, ids=label)
def test_a_new_thing_works_and_with_a_place_left_out_fails_by_name(task: Task, left_out: Place | None, tmp_path: Path) -> None:
    folder = copy_of_the_project(tmp_path)
    for place in task.places:
        if place is not left_out:
            put(folder, place)
    (folder / "tests" / "test_newcomer_run.py").write_text(WORKS.format(name=task.name) + indent(task.works), encoding="utf-8")
    done = run_tests(folder, task.tests, task.name)
    if left_out is None:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    else:
        assert done.returncode != 0, f"nothing fails when {left_out.file} is left out"
        assert task.name in done.stdout + done.stderr


WORKS = """from pathlib import Path

import flowreform as fr

WARD = Path(__file__).parent / "fixtures" / "ward" / "model.xmile"
PACE = WARD.with_name("pace.toml")


def test_newcomer_{name}(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
"""


def indent(code: str) -> str:
    """The lines of a test's body."""
    return "".join(f"    {line}\n" for line in code.splitlines())


@pytest.mark.slow
def test_a_new_model_is_a_folder_and_an_experiment(tmp_path: Path) -> None:
    """models/NAME with its four files and a file in experiments/, and nothing else; each left out fails by the name."""
    folder = copy_of_the_project(tmp_path)
    model, experiment = folder / "models" / "ward", folder / "experiments" / "ward_pace.toml"
    model.mkdir()
    for name in ("model.xmile", "model.toml", "reference.csv"):
        shutil.copy(ROOT / "tests" / "fixtures" / "ward" / name, model / name)
    (model / "README.md").write_text("# A ward\n", encoding="utf-8")
    text = (ROOT / "tests" / "fixtures" / "ward" / "pace.toml").read_text(encoding="utf-8")
    experiment.write_text("# The pace of closure.\n" + text.replace("./model.xmile", "ward"), encoding="utf-8")
    tests = ("tests/models/test_folders.py",)
    done = run_tests(folder, tests, "ward")
    assert done.returncode == 0, done.stdout[-3000:]
    for path in (model / "README.md", model / "reference.csv", model / "model.toml", experiment):
        kept = path.read_bytes()
        path.unlink()
        done = run_tests(folder, tests, "ward")
        assert done.returncode != 0, f"nothing fails without {path.name}"
        assert "ward" in done.stdout
        path.write_bytes(kept)
