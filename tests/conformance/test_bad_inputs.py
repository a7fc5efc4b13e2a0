"""Every file of the folder of bad inputs, read, checked and run as its index says, with nothing written beside it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowreform import check, read_model, simulate
from flowreform.case.observations import read_observations
from flowreform.errors import Finding, FlowreformError, Level

RUNTIME = {"xmile/x33_overflow.xmile": ("d", 4.0), "xmile/x34_log_negative.xmile": ("d", None)}


def rows(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


def outcome(path: Path) -> tuple[str, list[str], object]:
    """`error`, `failed` or `ok`, what was said, and the results. Anything but our own errors goes through."""
    said: list[str] = []
    try:
        model = read_model(path)
        findings = check(model)
        said = [str(finding) for finding in findings]
        ds = simulate(model, engine="python")
    except FlowreformError as fault:
        return "error", [*said, *str(fault).splitlines()], None
    assert not any(finding.level is Level.ERROR for finding in findings), f"{path.name} checks with errors and runs"
    return ("failed" if bool(ds["failed"].any()) else "ok"), said, ds


WARNED = {"mdl/m57_data_no_file.mdl": "without data"}
"""Files of the index that run with a warning: observations that no stock needs are left out, as published models hold many."""


@pytest.mark.requires("bad_inputs")
def test_every_file_does_as_the_index_says(bad_inputs: Path, tmp_path: Path) -> None:
    tried = 0
    for row in rows(bad_inputs):
        if row["file"].startswith("data/"):
            continue
        tried += 1
        name = row["file"]
        path = tmp_path / Path(name).name
        shutil.copyfile(bad_inputs / name, path)
        beside = path.with_suffix(".py")
        beside.write_text("the user's\n", encoding="utf-8")
        state, said, ds = outcome(path)
        if name in WARNED:
            assert state == "ok", said
            assert [line for line in said if ": warning: " in line and WARNED[name] in line], said
        elif row["expect"] == "error":
            assert state == "error", f"{name}: {row['what_is_wrong']}"
        elif row["expect"] == "ok":
            assert state == "ok", f"{name}: {said}"
        if state == "error":
            assert all((path.name in line and ": error: " in line) or ": warning: " in line for line in said), said
            assert any(path.name in line for line in said)
        elif row["must"].startswith("load and run silently"):
            assert not [line for line in said if ": error" in line], said
        if name in RUNTIME:
            variable, time = RUNTIME[name]
            assert state == "failed", name
            assert str(ds["failed_variable"].values[0]) == variable
            assert time is None or float(ds["failed_time"].values[0]) == time
        assert {item.name for item in tmp_path.iterdir()} == {path.name, beside.name}, name
        assert beside.read_text(encoding="utf-8") == "the user's\n"
        path.unlink()
        beside.unlink()
    assert tried > 40


@pytest.mark.requires("bad_inputs")
def test_data_files_are_refused_in_words(bad_inputs: Path) -> None:
    tried = 0
    for row in rows(bad_inputs):
        if row["file"].startswith("data/"):
            tried += 1
            findings: list[Finding] = []
            assert not read_observations(bad_inputs / row["file"], findings)
            assert findings, row["file"]
            assert all(Path(row["file"]).name in str(finding) for finding in findings)
    assert tried
