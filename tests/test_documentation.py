"""Every example runs: docstrings of public functions, `--help`, the README and the pages in docs.

Examples run in an empty folder that holds the files they name (`my_model.xmile`, `plan.xlsx`, ...), one folder for each page, in
the order of the page. Sizes are cut down, nothing else: see `SMALLER`.
"""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app
from flowreform.formats import bundled
from planning import planning_workbook

ROOT = Path(__file__).resolve().parents[1]
OWN_TEST = ("how_to_condition.md", "how_to_plan.md", "how_to_plan_your_system.md")
"""Pages that write files of their own as they go: tests/test_<page>.py runs them."""

PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in OWN_TEST)]
LONG_PAGES = ("how_to_sensitivity.md",)
"""Pages that take most of a minute; what they show is in --help, too."""

FUNCTIONS = [name for name in fr.__all__ if inspect.isfunction(getattr(fr, name))]

SMALLER = [
    (r"--draws \d{3,}", "--draws 8"),
    (r"--samples \d+", "--samples 4"),
    (r"\bdraws=(?:64|128|1000)\b", "draws=8"),
    (r'method="sobol", samples=\d+', 'method="sobol", samples=4'),
    (r"--method pawn", "--method pawn --samples 50"),
]
"""What is cut down so that an example takes seconds: numbers of draws and samples."""

ELSEWHERE = {
    "dask scheduler": "tests/sweep/test_cluster.py runs a scheduler and two workers",
    "dask worker": "as above",
    "kill %2 %1": "as above",
    "--scheduler tcp": "as above",
    "python3 -m venv": "the README's two commands: .ci/run runs them as they stand",
    "py -m venv": "for Windows, where nothing is tested",
}
"""Lines that are run by something else, or not at all: what they hold, and why."""

LONG = (
    "assess care_shift --battery",
    "export care_shift_build_or_close_first -o plan.xlsx --scenario build_first",
    "fit mental_health_shift",
    "assess va_transformation",
    "diagram care_shift -o care_shift.html",
    "diagram care_shift -o loops.svg --loops",
    "diagram care_shift --sheet beds",
    "plan care_shift_plan -o out",
    "plan care_shift_plan --quick --json",
    "loops care_shift open_staffed_beds --scenario build_first",
    "loops mental_health_shift site_beds",
    "report my_system.xlsx -o my_system.html",
    "page care_shift -o care_shift.html",
    "page my_system.xlsx -o my_system.html",
    "report va_beds_to_community -o report.html",
    "run my_system.xlsx -o out/mine",
    "start an_ordinary_system",
    "new my_",
    "schema",
    "report stroke_northumbria -o report.html --draws 100",
    "qa va_beds_to_community -o qa.md",
    "sensitivity va_beds_to_community --samples 256 -o out",
    "sensitivity care_shift_build_or_close_first --contrast build_first close_first -o out",
    'sensitivity care_shift_build_or_close_first --target "monthly_mean_occupancy < 0.92 throughout" --target "payback <= 60"',
    "sweep care_shift_build_or_close_first --draws 150000 -o out/care",
    "export care_shift_build_or_close_first -o results.xlsx --values",
)
"""Commands that take more than ten seconds: only with -m slow."""

LONG_FUNCTIONS = ("assess", "bands", "fit", "open_sweep", "page", "plan", "report", "sensitivity", "to_xlsx")
"""Functions whose examples do: their commands are examples of --help or the README, and run."""


# --- the folder of an example ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ward: Path) -> Path:
    """An empty folder with the files that examples name, as the present folder."""
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    for name in ("model.xmile", "model.toml", "reference.csv", "pace.toml"):
        (tmp_path / "ward").mkdir(exist_ok=True)
        shutil.copy(ward / name, tmp_path / "ward" / name)
        if (ROOT / "models" / "mental_health_shift" / name).is_file():
            shutil.copy(ROOT / "models" / "mental_health_shift" / name, tmp_path / name.replace("model", "my_model"))
    shutil.copy(ROOT / "tests" / "fixtures" / "mdl" / "care.mdl", tmp_path / "old_model.mdl")
    return tmp_path


def small(text: str) -> str:
    """An example with its sizes cut down."""
    for pattern, instead in SMALLER:
        text = re.sub(pattern, instead, text)
    return text


def run_command(line: str) -> None:
    """A command line of ours, in this process; it must end with 0, or with 4 where it compares."""
    words = shlex.split(small(line))
    assert words[0] == "flowreform", line
    if words[1] in ("run", "export", "report") and words[2] in bundled("experiments") and "--draws" not in words:
        words += ["--draws", "8"]
    if words[1] == "page":
        words += ["--draws", "2"]
    if words[1] == "sensitivity" and "--samples" not in words:
        words += ["--samples", "64" if "pawn" in words else "4"]
    if words[1] == "export" and "--template" in words:
        prepare_template(words)
    if "--into" in words and not Path(words[words.index("--into") + 1]).exists():
        planning_workbook(Path(words[words.index("--into") + 1]))
    result = CliRunner().invoke(app, words[1:], env={"COLUMNS": "160"})
    compared = (0, 4) if "--check" in words else (0,)  # 4: compared and different
    assert result.exit_code in compared, f"{line}\n{result.output}\n{result.exception!r}"


def prepare_template(words: list[str]) -> None:
    """The workbook and the map that the command names, where they are not there: a cell for a KPI."""
    workbook, table = (Path(words[words.index(option) + 1]) for option in ("--template", "--map"))
    planning_workbook(workbook)
    variable = "staffed_beds"
    table.write_text(
        f'[[results]]\ncell = "beds_at_end"\nvariable = "{variable}"\nstatistic = "at"\nyear = 2027\n', encoding="utf-8"
    )


def commands(text: str) -> Iterator[str]:
    """Our command lines in a block: without what is said beside them."""
    for line in text.splitlines():
        if any(mark in line for mark in ELSEWHERE):
            continue
        for part in re.split(r"\s{2,}|\s+#\s", line.strip())[0].split("; "):
            if part.strip():
                yield part.strip()


def run_python(code: str, names: dict[str, Any]) -> None:
    """A block of Python, in the names that the blocks before it have left."""
    exec(compile(small(code), "<example>", "exec"), names)


# --- docstrings ------------------------------------------------------------------------------------------------------


def docstring_example(thing: object) -> str:
    """The literal block of a docstring."""
    found = re.search(r"::\n\n((?:    .*\n|\n)+)", (inspect.getdoc(thing) or "") + "\n")
    return textwrap.dedent(found[1]) if found else ""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_says_what_it_raises_and_shows_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(fr, name)) or ""
    assert docstring_example(getattr(fr, name)), f"{name} has no example"
    assert "Raises" in text, f"{name} does not say what it raises"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LONG_FUNCTIONS else ())
        for name in (*FUNCTIONS, "Experiment", "flowreform")
    ],
)
def test_the_example_in_the_docstring_runs(name: str, folder: Path) -> None:
    thing = fr if name == "flowreform" else getattr(fr, name)
    run_python(docstring_example(thing), {"fr": fr})


# --- --help ----------------------------------------------------------------------------------------------------------


def help_examples() -> list[str]:
    """The example commands of every command's help, and those of the first screen."""
    command = get_command(app)
    found = re.findall(r"^  (flowreform .+)$", command.help or "", flags=re.MULTILINE)
    for item in command.commands.values():  # type: ignore[attr-defined]
        text = re.sub(r"^Examples?: ", "", item.epilog or "")
        found += [re.sub(r"\s+\(.*\)$", "", part).strip() for part in text.split("; ") if part.strip()]
    return [line for line in found if not any(mark in line for mark in ELSEWHERE)]


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=pytest.mark.slow if line.endswith(LONG) else ()) for line in help_examples()]
)
def test_the_example_in_the_help_runs(line: str, folder: Path) -> None:
    for earlier in earlier_than(line):
        run_command(earlier)
    run_command(line)


def earlier_than(line: str) -> list[str]:
    """What an example takes for granted, made of a small experiment: a sweep, a workbook, results, an experiment file."""
    made = re.search(r"-o (\S+)", line)
    needs = {
        "out/care": "flowreform sweep ward/pace.toml --draws 64 -o out/care",
        "plan.xlsx": "flowreform export ward/pace.toml -o plan.xlsx",
        "out/results.nc": "flowreform run ward/pace.toml -o out",
        "my_system.xlsx": "flowreform new my_system.xlsx --model care_shift",
        "mine.toml": "flowreform experiments va_beds_to_community --write mine.toml",
    }
    wanted = [name for name in needs if re.search(rf"[ /\"]{re.escape(name)}(?![\w-])", line) and not (made and made[1] == name)]
    if "--template" in line or "--write mine.toml" in line or line.startswith("flowreform new "):
        return []
    return [needs[name] for name in wanted if not Path(name).exists()]


# --- pages -----------------------------------------------------------------------------------------------------------


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=pytest.mark.slow if page.name in LONG_PAGES else ()) for page in PAGES],
)
def test_every_block_of_a_page_runs(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"fr": fr}
    in_help = set(help_examples())
    for language, text in blocks(page):
        if language == "python":
            for earlier in earlier_than(text):
                run_command(earlier)
            run_python(text, names)
        elif language in ("bash", "") and "flowreform " in text:
            for line in commands(text):
                if line in in_help or line.endswith(LONG):
                    continue  # run by another test
                for earlier in earlier_than(line):
                    run_command(earlier)
                run_command(line)
        elif language == "toml":
            tomllib.loads(text)


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted({f"flowreform {line}" for line in LONG} - set(help_examples())))
def test_a_long_command_of_a_page_runs(line: str, folder: Path) -> None:
    """Those that no help shows."""
    for earlier in earlier_than(line):
        run_command(earlier)
    run_command(line)


@pytest.mark.parametrize("name", OWN_TEST)
def test_a_page_left_out_here_is_run_by_its_own_test(name: str) -> None:
    assert (ROOT / "docs" / name).is_file()
    assert f'"{name}"' in (ROOT / "tests" / f"test_{Path(name).stem}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("mark", ELSEWHERE)
def test_what_is_run_elsewhere_is_still_there(mark: str) -> None:
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    helps = [str(item.epilog) for item in get_command(app).commands.values()]  # type: ignore[attr-defined]
    texts = [*pages, *helps]
    assert any(mark in text for text in texts), f"nothing says {mark} any more"


@pytest.mark.parametrize("line", LONG)
def test_what_takes_long_is_an_example_of_the_help_or_a_page(line: str) -> None:
    text = "\n".join([*help_examples(), *(page.read_text(encoding="utf-8") for page in PAGES)])
    assert f"flowreform {line}" in text
