"""The command line as a user and a script see it: what is printed where, exit codes, and what is left on disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flowreform.cli import app

NAMES = ["chart.png", "kpis.csv", "results.nc", "summary.md"]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Flowreform = Callable[..., Done]


@pytest.fixture
def flowreform() -> Flowreform:
    """The command in this process, quick; every word is an argument."""

    def run(*words: object) -> Done:
        result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def process(*words: object, cwd: Path | None = None, **environment: str) -> Done:
    """The command as the shell runs it."""
    command = [sys.executable, "-c", "from flowreform.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- usage -----------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_exit_code(flowreform: Flowreform) -> None:
    text = flowreform("--help").out
    for word in ("models", "experiments", "show", "check", "assess", "run", "0    done", "130  interrupted"):
        assert word in text


@pytest.mark.parametrize("name", ["models", "experiments", "show", "check", "assess", "run"])
def test_every_command_has_help_with_an_example_and_json(flowreform: Flowreform, name: str) -> None:
    text = flowreform(name, "--help").out
    assert f"flowreform {name}" in text.partition("Example")[2]
    assert "--json" in text


@pytest.mark.parametrize(
    "words", [["runn"], ["run"], ["run", "x", "--draws", "0"], ["run", "x", "--engine", "fortran"], ["--nope"]]
)
def test_wrong_usage_is_two(flowreform: Flowreform, words: list[str]) -> None:
    done = flowreform(*words)
    assert done.code == 2
    assert done.out == ""
    assert done.err


@pytest.mark.parametrize("text", ["1_0", "\uff15", "1e1", "2.0", "0", "-3", "9" * 5000, "nan"])
def test_whole_numbers_are_digits(flowreform: Flowreform, text: str) -> None:
    done = flowreform("run", "care_shift", "--draws", text)
    assert done.code == 2
    assert "--draws" in done.err


def test_every_number_of_the_command_line_is_read_by_one_rule() -> None:
    """Python's own `int` and `float` take `1_0` and digits of other scripts."""
    import inspect
    import typing

    for entry in app.registered_commands:
        assert entry.callback is not None
        for name, hint in typing.get_type_hints(inspect.unwrap(entry.callback), include_extras=True).items():
            kinds = {part for part in (hint, *typing.get_args(hint)) for part in (part, *typing.get_args(part))}
            if kinds & {int, float} and name != "return":
                assert hint.__metadata__[0].parser.__module__ == "flowreform.commands.arguments", (entry.callback.__name__, name)


@pytest.mark.parametrize("value", ["x", "2_0", "\uff15", "nan"])
def test_a_setting_that_is_no_number_names_its_option(flowreform: Flowreform, value: str) -> None:
    done = flowreform("run", "care_shift", "--set", f"community_stay={value}")
    assert done.code == 1
    assert done.err.startswith(f'--set: error: community_stay: "{value}" is no number')


def test_version_is_the_packages(flowreform: Flowreform) -> None:
    from flowreform import __version__

    assert flowreform("--version").out == f"flowreform {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    script = "import sys\nfrom flowreform.cli import main\ntry:\n main()\nfinally:\n print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    heavy = {"numpy", "pydantic", "xarray", "numba", "pysd", "scipy", "lxml", "lark", "matplotlib"}
    assert not heavy & set(done.stderr.split())


def test_a_run_imports_nothing_that_it_does_not_use(ward: Path) -> None:
    """Each of these costs a tenth of a second or more."""
    script = "import sys\nfrom flowreform.cli import main\ntry:\n main()\nfinally:\n print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", script, "run", str(ward / "model.xmile")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unused = {"dask", "pint", "pyarrow", "lark", "numba", "pysd", "matplotlib", "h5netcdf", "zarr", "SALib"}
    assert not unused & set(done.stderr.split())


# --- run -------------------------------------------------------------------------------------------------------------


def test_an_experiment_leaves_its_four_files(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    done = flowreform("run", ward / "pace.toml", "-o", tmp_path / "out")
    assert done.code == 0
    assert listed(tmp_path / "out") == NAMES
    assert "The pace of closure" in done.out
    assert "29.89" in done.out  # 100 (1 - 0.05 / 4)^96
    assert "+48.75" in done.out
    assert "wrote results.nc" in done.err
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert f"{100 * (1 - 0.05 / 4) ** 96:.2f}" in summary
    assert "| command | flowreform run " in summary
    assert str(tmp_path) not in summary


def test_results_agree_with_the_closed_form(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    import numpy as np

    import flowreform as fr

    flowreform("run", ward / "pace.toml", "-o", tmp_path / "out")
    ds = fr.read_netcdf(tmp_path / "out" / "results.nc")
    assert dict(ds["open_beds"].sizes) == {"scenario": 2, "draw": 20, "time": 25}
    np.testing.assert_allclose(
        ds["open_beds"].sel(scenario="slower", draw=7), 100 * (1 - 0.01 / 4) ** (4 * np.arange(25)), rtol=1e-12
    )


def test_running_twice_gives_the_same_bytes(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert flowreform("run", ward / "pace.toml", "-o", tmp_path / name).code == 0
    for name in ("kpis.csv", "summary.md", "chart.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_else_stands_in_the_folder_stays(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "summary.md").write_text("old", encoding="utf-8")
    assert flowreform("run", ward / "pace.toml", "-o", tmp_path).code == 0
    assert listed(tmp_path) == sorted([*NAMES, "notes.txt"])
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("# The pace of closure")


def test_json_is_all_there_is_on_standard_output(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    done = flowreform("run", ward / "pace.toml", "--json", "-o", tmp_path)
    kpis = {(row["kpi"], row["scenario"]): row for row in done.json["kpis"]}
    assert kpis["beds_at_end", "as_planned"]["p50"] == pytest.approx(100 * (1 - 0.05 / 4) ** 96)
    assert kpis["empty_at", "slower"]["never"] == 20
    assert kpis["empty_at", "slower"]["p50"] is None
    assert done.json["provenance"]["seed"] == 1
    assert [Path(name).name for name in done.json["files"]] == ["results.nc", "kpis.csv", "summary.md", "chart.png"]
    difference = next(row for row in done.json["differences"] if row["kpi"] == "beds_at_end")
    assert difference["scenario"] == "slower"
    assert difference["p50"] == pytest.approx(100 * ((1 - 0.01 / 4) ** 96 - (1 - 0.05 / 4) ** 96))


def test_a_model_runs_once(flowreform: Flowreform, ward: Path) -> None:
    done = flowreform("run", ward / "model.xmile")
    assert done.code == 0
    assert "time 12 (2021-04-01)" in done.out
    assert f"{100 * (1 - 0.05 / 4) ** 48:.2f}" in done.out


def test_a_run_of_a_model_has_its_path_in_json(flowreform: Flowreform, ward: Path) -> None:
    variables = flowreform("run", ward / "model.xmile", "--json", "--save", "closing", "--save-every", "12").json["variables"]
    assert variables["time"] == [0, 12, 24]
    assert variables["closing"] == pytest.approx([5 * (1 - 0.05 / 4) ** steps for steps in (0, 48, 96)])


@pytest.mark.parametrize(("text", "rate"), [("0.1", 0.1), ("0.1 1/month", 0.1), ("1.2 1/year", 0.1), ("1e-1", 0.1)])
def test_set_takes_a_number_and_a_unit(flowreform: Flowreform, ward: Path, text: str, rate: float) -> None:
    done = flowreform("run", ward / "model.xmile", "--json", "--set", f"Closure Rate={text}")
    assert done.json["variables"]["open_beds"][12] == pytest.approx(100 * (1 - rate / 4) ** 48)


def test_set_goes_over_every_scenario(flowreform: Flowreform, ward: Path) -> None:
    rows = flowreform("run", ward / "pace.toml", "--json", "--set", "closure_rate=0").json["kpis"]
    assert {row["p50"] for row in rows if row["kpi"] == "beds_at_end"} == {100.0}


def test_draws_of_a_model_vary_its_uncertainties(flowreform: Flowreform, ward: Path) -> None:
    rows = {row["kpi"]: row for row in flowreform("run", ward / "model.xmile", "--json", "--draws", "50").json["kpis"]}
    assert rows["use_in_first_year"]["count"] == 50
    assert rows["use_in_first_year"]["p10"] < rows["use_in_first_year"]["p90"]
    assert rows["beds_at_end"]["p10"] == rows["beds_at_end"]["p90"]


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_engines_give_the_same_numbers(flowreform: Flowreform, ward: Path, engine: str) -> None:
    done = flowreform("run", ward / "pace.toml", "--json", "--engine", engine)
    assert done.json["provenance"]["engine"] == engine
    assert done.json["kpis"] == flowreform("run", ward / "pace.toml", "--json").json["kpis"]


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        (["--set", "closure_rat=0.1"], ["closure_rat", 'did you mean "closure_rate"']),
        (["--set", "open_beds=5"], ["open_beds", "not a parameter"]),
        (["--set", "closure_rate"], ["closure_rate", "NAME=VALUE"]),
        (["--set", "closure_rate=fast"], ["closure_rate", "no number"]),
        (["--set", "closure_rate=1 bed"], ["closure_rate", "bed"]),
        (["--set", "closure_rate=7"], ["closure_rate", "range"]),
        (["--set", "closure_rate=0.1", "--set", "closure_rate=0.2"], ["closure_rate", "twice"]),
        (["--save", "open_bed"], ["open_bed", 'did you mean "open_beds"']),
        (["--save-every", "0.3"], ["0.3", "multiple of dt"]),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    flowreform: Flowreform, ward: Path, tmp_path: Path, words: list[str], hints: list[str]
) -> None:
    done = flowreform("run", ward / "model.xmile", "-o", tmp_path / "out", *words)
    assert (done.code, done.out, listed(tmp_path)) == (1, "", [])
    assert len(done.err.splitlines()) == 1
    for hint in hints:
        assert hint in done.err


def test_all_faults_come_at_once(flowreform: Flowreform, ward: Path) -> None:
    done = flowreform("run", ward / "model.xmile", "--set", "closure_rat=1", "--set", "share_in_us=1")
    assert done.code == 1
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("command", ["run", "show", "check", "assess"])
def test_a_name_that_is_nowhere_is_one_line(flowreform: Flowreform, command: str) -> None:
    done = flowreform(command, "va_transformatio")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "va_transformatio" in done.err


@pytest.mark.parametrize("name", ["nowhere.xmile", "./nowhere.toml", "", "x" * 5000 + ".xmile", "a\0b.xmile", "."])
def test_a_path_that_is_nowhere_is_one_line(flowreform: Flowreform, name: str) -> None:
    done = flowreform("run", name)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1


def test_a_file_in_the_way_of_the_folder_is_one_line(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    done = flowreform("run", ward / "model.xmile", "-o", tmp_path / "out")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_runs_that_fail_are_named_and_the_rest_is_written(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    shutil.copytree(ward, tmp_path / "ward")
    model = tmp_path / "ward" / "model.xmile"
    text = model.read_text(encoding="utf-8")
    model.write_text(text.replace("open_beds * closure_rate<", "SQRT(open_beds - 95) * closure_rate<"), encoding="utf-8")
    done = flowreform("run", tmp_path / "ward" / "pace.toml", "--set", "closure_rate=1", "--draws", "2", "-o", tmp_path / "out")
    assert done.code == 3
    beds, step = 100.0, 0
    while beds >= 95:
        beds, step = beds - 0.25 * (beds - 95) ** 0.5, step + 1
    assert f"scenario as_planned, draw 0: closing is NaN, first at time {step / 4:g}" in done.err
    assert listed(tmp_path / "out") == NAMES
    assert "draw 1: closing is NaN" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_a_fault_of_ours_says_so_and_shows_no_traceback(
    flowreform: Flowreform, ward: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("nothing\ndivided")

    monkeypatch.setattr("flowreform.commands.run.read_experiment", broken)
    done = flowreform("run", ward / "pace.toml")
    assert done.code == 70
    assert done.err.splitlines()[0] == (
        "flowreform: this is a fault in flowreform, not in your files: ZeroDivisionError: nothing divided"
    )
    assert "FLOWREFORM_DEBUG=1" in done.err
    assert "Traceback" not in done.err


@pytest.mark.requires("bad_inputs")
def test_every_bad_file_is_findings_or_runs(flowreform: Flowreform, bad_inputs: Path, tmp_path: Path) -> None:
    seen = {}
    for path in sorted(bad_inputs.glob("xmile/*.xmile")):
        done = flowreform("run", path, "-o", tmp_path / path.stem)
        seen[path.name] = done.code
        assert done.code in (0, 1, 3), f"{path.name}: {done.err}"
        assert "Traceback" not in done.err
        if done.code == 1:
            assert not (tmp_path / path.stem).exists()
            assert all(path.name in line and (": error: " in line or ": warning: " in line) for line in done.err.splitlines())
    assert {1, 3} <= set(seen.values())


# --- show and check --------------------------------------------------------------------------------------------------


def test_show_lists_stocks_flows_and_parameters(flowreform: Flowreform, ward: Path) -> None:
    text = flowreform("show", ward / "model.xmile").out
    for word in ("A ward closes", "open_beds", "bed/month", "0 to 1", "lever", "uncertainty", "board paper | 2020 (assumption)"):
        assert word in text


def test_show_a_variable_has_its_equation_and_loops(flowreform: Flowreform, ward: Path) -> None:
    text = flowreform("show", ward / "model.xmile", "Closing").out
    assert "= open_beds * closure_rate" in text
    assert "made from: open_beds, closure_rate" in text
    assert "closing -> open_beds -> closing" in text
    facts = flowreform("show", ward / "model.xmile", "closing", "--json").json
    assert facts["loops"] == [["closing", "open_beds"]]
    assert facts["uses"] == ["open_beds"]


def test_show_an_experiment_says_which_file_won(flowreform: Flowreform, ward: Path) -> None:
    done = flowreform("show", ward / "pace.toml")
    assert "uniform(low 0.8, high 1)" in done.out
    assert "model.toml:17" in done.out
    assert "as_planned (baseline)" in done.out
    assert flowreform("show", ward / "pace.toml", "--json").json["scenarios"]["slower"]["set"] == {"closure_rate": 0.01}


def test_show_of_an_unknown_variable_names_the_closest(flowreform: Flowreform, ward: Path) -> None:
    done = flowreform("show", ward / "model.xmile", "open_bed")
    assert done.code == 1
    assert 'did you mean "open_beds"?' in done.err


def test_check_of_a_sound_model_is_nothing_and_zero(flowreform: Flowreform, ward: Path) -> None:
    done = flowreform("check", ward / "pace.toml")
    assert (done.code, done.err) == (0, "")
    assert "no errors, no warnings" in done.out


def test_check_finds_what_does_not_fit(flowreform: Flowreform, ward: Path, tmp_path: Path) -> None:
    shutil.copytree(ward, tmp_path / "ward")
    model = tmp_path / "ward" / "model.xmile"
    model.write_text(model.read_text(encoding="utf-8").replace("<units>bed/month<", "<units>bed<"), encoding="utf-8")
    done = flowreform("check", model)
    assert done.code == 1
    assert "closing" in done.err
    facts = flowreform("check", model, "--json")
    assert facts.code == 1
    assert facts.json["errors"] >= 1
    assert {"closing"} <= {finding["element"] for finding in facts.json["findings"]}


def test_check_of_an_unreadable_file_is_json_too(flowreform: Flowreform, tmp_path: Path) -> None:
    (tmp_path / "model.xmile").write_text("<html/>", encoding="utf-8")
    done = flowreform("check", tmp_path / "model.xmile", "--json")
    assert done.code == 1
    assert done.json["errors"] == 1


# --- what is bundled -------------------------------------------------------------------------------------------------


def test_models_and_experiments_are_listed(flowreform: Flowreform) -> None:
    assert {row["name"] for row in flowreform("models", "--json").json} >= {"va_transformation"}
    experiments = {row["name"]: row for row in flowreform("experiments", "--json").json}
    assert experiments["va_beds_to_community"]["scenarios"] == [
        "keep_up",
        "as_was",
        "no_reinvestment",
        "close_first",
        "build_first",
    ]
    assert experiments["va_beds_to_community"]["draws"] == 200
    assert "va_transformation" in flowreform("models").out
    assert "va_beds_to_community" in flowreform("experiments").out


def test_an_experiment_can_be_written_to_start_from(flowreform: Flowreform, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    assert flowreform("experiments", "va_beds_to_community", "--write", target).code == 0
    assert flowreform("show", target).code == 0
    again = flowreform("experiments", "va_beds_to_community", "--write", target)
    assert again.code == 1
    assert "already" in again.err


# --- as the shell sees it --------------------------------------------------------------------------------------------


def test_colours_and_bars_are_for_terminals_only(ward: Path) -> None:
    done = process("run", ward / "model.xmile")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert done.err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that closes is told otherwise on Windows")
def test_a_reader_that_has_enough_is_no_fault(ward: Path) -> None:
    script = "import sys; sys.stdout.reconfigure(line_buffering=True)\nfrom flowreform.cli import main\nmain()"
    command = [sys.executable, "-c", script, "show", str(ward / "model.xmile")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(ward: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    script = (
        "import flowreform.export.chart as chart, time\n"
        "def slow(*args, **options):\n"
        "    print('drawing', flush=True)\n"
        "    time.sleep(60)\n"
        "chart.draw = slow\n"
        "from flowreform.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "run", str(ward / "pace.toml"), "-o", str(tmp_path / "out")]
    heard = partial(signal.signal, number, signal.SIG_DFL)  # a shell starts what runs behind it deaf to Ctrl-C
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "drawing\n"
        time.sleep(0.1)
        running.send_signal(number)
        message = running.stderr.read()
    assert running.returncode == code
    assert "run the same command again" in message
    assert "Traceback" not in message
    assert listed(tmp_path) == []
