"""The project keeps its own promises: what ships, what imports what, what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from flowreform.formats import bundled

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {"pysd", "numba", "xarray", "pandas", "scipy", "SALib", "matplotlib", "h5netcdf"}


def shipped() -> set[str]:
    """The data files of the repository, as they should stand inside the package."""
    return {
        f"flowreform/{path.relative_to(ROOT).as_posix()}"
        for folder in ("models", "experiments")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".xmile", ".toml", ".csv", ".md"} and not is_of_a_study(path)
    }


def is_of_a_study(path: Path) -> bool:
    """Whether a file belongs to a study of the repository: a folder in experiments, which is not shipped."""
    return path.is_relative_to(ROOT / "experiments") and path.parent != ROOT / "experiments"


def build(kind: str, folder: Path) -> Path:
    """The wheel or sdist that hatchling makes of the repository."""
    script = f"from hatchling.build import build_{kind} as build; import sys; print(build(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


def readme_command(name: str) -> str:
    """The command in the fenced block under `<!-- command: NAME -->`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"^<!-- command: {name} -->\n```bash\n(.+)\n```$", text, flags=re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def test_wheel_holds_models_and_experiments(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())
    for name in ("engine/host.js", "pages/template/report.html", "pages/template/report.css", "pages/template/live.js"):
        assert f"flowreform/{name}" in names
    assert shipped() <= names
    assert {f"flowreform/{path.relative_to(ROOT / 'src' / 'flowreform').as_posix()}" for path in SOURCES} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "models/", "experiments/"))]
    assert not [name for name in names if name.startswith("flowreform/experiments/") and name.count("/") > 2]


def test_sdist_can_make_the_same_wheel(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {name.removeprefix("flowreform/") for name in shipped()} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", ".ci/run", "tests/conftest.py"} <= names


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    for command in (readme_command("run"), readme_command("test")):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command run" in ci
    assert "readme_command test" in ci


def test_powershell_form_is_the_same_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("run", "test"):
        command = readme_command(name).replace("python3", "py").replace(" && ", "; ").replace(".venv/bin/", ".venv\\Scripts\\")
        assert command in text


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    project = PROJECT["project"]
    for requirement in project["dependencies"]:
        name = re.split(r"[>=<;\[ ]", requirement)[0]
        assert f"\n| {name} | " in text, f"CONTRIBUTING.md does not say what {name} is for"
    for requirement in project["optional-dependencies"]["test"]:
        assert re.split(r"[>=<;\[ ]", requirement)[0] in text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_module_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not lines or lines[0].startswith('"""'), f"{path.name} does not begin with what it is"


def test_importing_flowreform_imports_nothing_heavy() -> None:
    script = "import sys, flowreform, flowreform.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def run_marked_test(tmp_path: Path, need: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest over one test that needs `need`, with this project's conftest."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = requires(names)\n", encoding="utf-8")
    test = f"import pytest\n@pytest.mark.requires('{need}')\ndef test_it():\n    pass\n"
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name != "FLOWREFORM_REQUIRE"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-q", str(tmp_path)]
    return subprocess.run(command, cwd=tmp_path, env=kept | environment, capture_output=True, text=True, check=False)


def test_a_missing_tool_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    done = run_marked_test(tmp_path, "conformance", FLOWREFORM_TEST_MODELS=str(tmp_path / "nowhere"))
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "FLOWREFORM_TEST_MODELS may name one" in done.stdout


def test_a_missing_tool_that_must_be_there_is_a_failure(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    done = run_marked_test(tmp_path, "conformance", FLOWREFORM_TEST_MODELS=nowhere, FLOWREFORM_REQUIRE="gcc, conformance")
    assert done.returncode == 1
    assert "FLOWREFORM_REQUIRE names conformance" in done.stdout


def test_requiring_what_no_test_knows_is_refused(tmp_path: Path) -> None:
    done = run_marked_test(tmp_path, "gcc", FLOWREFORM_REQUIRE="pysimlim")
    assert done.returncode == 4
    assert "pysimlim" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="bash is not part of Windows")
def test_ci_script_is_bash_and_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_no_module_has_the_name_of_a_public_function() -> None:
    """`flowreform.run` is the function; a module of that name would take its place when something imports it."""
    from flowreform import __all__ as public

    package = ROOT / "src" / "flowreform"
    modules = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert not modules & set(public)


def test_every_bundled_experiment_has_its_answers() -> None:
    """Those of `flowreform experiments --write experiments/README.md`."""
    headings = re.findall(r"^## (\S+)$", (ROOT / "experiments" / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(bundled("experiments"))
