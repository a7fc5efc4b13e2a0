"""The two readers before damaged files: a few seconds of the same ones each time, an hour with `-m slow`, and every one that once
went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "fuzz"
FOUND = {
    "a_belt_without_end.xmile": "the belt has 4,503,599,627,370,496 places",
    "a_step_that_is_time.mdl": "TIME STEP is 0",
    "a_step_of_too_many_arguments.mdl": "TIME STEP is no number that is known before the run",
    "dimensions_that_do_not_fit.mdl": "the dimensions of the arguments of ALLOCATE_BY_PRIORITY do not fit together",
    "name_of_a_data_file_too_long.mdl": "cannot be read: File name too long",
}
"""What fuzzing found, and what is said of it now."""

RUNS = {
    "a_delay_without_end.mdl": ("x", [1.0, 1.0, 1.0]),
    "a_moving_belt_without_end.xmile": ("c", [1.0, 1.5, 2.0]),
    "many_times_not.xmile": ("a", [0.0, 1.0, 1.0]),
}
"""What fuzzing found and should run, with the values of a variable."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the bounds of a case need signals and limits of processes")


def fuzz(kind: str, seconds: int, first: int, out: Path) -> str:
    """What the fuzzer prints after so much processor time: one line for each fault, and how many cases there were."""
    command = [sys.executable, str(HERE / "fuzz.py"), kind, "--seconds", str(seconds), "--first", str(first), "--out", str(out)]
    source = str(HERE.parents[1] / "src")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cases(printed: str) -> int:
    """How many cases were tried; the test fails on any fault, with the number that makes its file again."""
    *faults, last = printed.strip().splitlines()
    assert not faults, "\n".join(faults)
    return int(last.split(": ")[1].split()[0].replace(",", ""))


@pytest.mark.parametrize(("kind", "least"), [("xmile", 10), ("mdl", 2)])
def test_damaged_files_are_refused_in_words_or_run(kind: str, least: int, tmp_path: Path) -> None:
    assert cases(fuzz(kind, 5, 0, tmp_path)) >= least


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xmile", "mdl"])
def test_half_an_hour_of_damaged_files(kind: str, tmp_path: Path) -> None:
    first = int(os.environ.get("FLOWREFORM_FUZZ_FIRST", "1000000"))
    assert cases(fuzz(kind, 1_800, first, tmp_path)) > 1_000


def test_every_file_that_went_wrong_is_kept() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == {*FOUND, *RUNS}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("engine", ["python", "numba"])
def test_what_fuzzing_found_runs(name: str, engine: str) -> None:
    from flowreform import read_model, simulate

    variable, values = RUNS[name]
    found = simulate(read_model(FIXTURES / name), engine=engine)[variable].values.ravel()
    assert found.tolist() == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("name", FOUND)
def test_what_fuzzing_found_is_refused_in_words(name: str, tmp_path: Path) -> None:
    from flowreform import read_model, simulate
    from flowreform.errors import ModelError

    path = tmp_path / name
    path.write_bytes((FIXTURES / name).read_bytes())
    with pytest.raises(ModelError) as caught:
        simulate(read_model(path), engine="python")
    assert any(FOUND[name] in finding.reason for finding in caught.value.findings), caught.value
    assert all(str(finding).isprintable() for finding in caught.value.findings)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("raise KeyError(14)", "KeyError: 14"),
        ("while True: pass", "took too long"),
        ("path.with_suffix('.py').write_text('')", "left ['case.py'] beside the model"),
        ("warnings.warn('careless')", "UserWarning: careless"),
        ("raise FlowreformError(error('x', 'two\\u2028lines'))", ""),
    ],
)
def test_the_fuzzer_sees_a_fault(change: str, fault: str, tmp_path: Path) -> None:
    """A reader that fails in one of these ways is caught, by the same judge."""
    script = f"""
import sys, warnings
sys.path.insert(0, {str(HERE)!r})
import fuzz
import flowreform as fr
from pathlib import Path
from flowreform.errors import FlowreformError, error
fr.check
def read_model(path):
    {change}
    raise FlowreformError(error("x", "no model"))
fr.read_model = read_model
fuzz.SECONDS = 1
path = Path({str(tmp_path)!r}) / "case.xmile"
path.write_text("")
with fuzz.bounded():
    print(fuzz.judge(path))
"""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert fault in done.stdout
    assert bool(done.stdout.strip()) == bool(fault), done.stdout
