"""`verify`: recompute what flowreform wrote and compare; what is done follows from the kind of path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.commands.terminal import DIFFERENT, DONE, at_work, print_json, say, show, table
from flowreform.errors import ExperimentError, error

if TYPE_CHECKING:
    from flowreform.export.roundtrip.check import Checked


def verify(path: Path, *, as_json: bool) -> int:
    """Verify a file or folder; 4 when it differs from what it should be."""
    kinds: dict[str, Callable[..., int]] = {
        "folder": _sweep,
        ".xlsx": _workbook,
        ".nc": _netcdf,
    }
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if kind not in kinds:
        reason = "nothing here can be verified" if path.exists() else "there is no such file or folder"
        raise ExperimentError(error("verify", reason, f"verify takes: {', '.join(kinds)}", file=str(path)))
    return kinds[kind](path, as_json=as_json)


def _sweep(path: Path, *, as_json: bool) -> int:
    """Checksums of all files, and a sample of runs worked out again."""
    from dataclasses import asdict

    from flowreform.sweeps.verify import verify_sweep

    found = verify_sweep(path)
    if as_json:
        print_json(asdict(found) | {"same": found.same})
    else:
        rows = [(name, f"{count:,}", worst) for name, count, worst in found.rows()]
        show(f"Sweep {path}", table("", ("checked", "numbers", "result"), rows, right=(1,)), f"Rule: {found.rule}")
        for line in found.faults[:20]:
            say(f"different: {line}")
        if len(found.faults) > 20:
            say(f"different: ... and {len(found.faults) - 20:,} more")
        say("as it should be" if found.same else "not as it should be")
    return DONE if found.same else DIFFERENT


MOST = 20
"""Lines of one kind that are shown."""


def _workbook(path: Path, *, as_json: bool) -> int:
    """Whether a live workbook's results follow from its inputs, and what a person has changed in it."""
    from dataclasses import asdict

    from flowreform.export.roundtrip.check import check_workbook

    with at_work("working it out again") as advance:
        found = check_workbook(path, advance)
    if as_json:
        changed = [dict(zip(("cell", "input", "old", "new"), item, strict=True)) for item in found.changed]
        different = [dict(zip(("cell", "shown", "expected"), item, strict=True)) for item in found.different]
        print_json(asdict(found) | {"changed": changed, "different": different, "same": found.same})
        return DONE if found.same else DIFFERENT
    rows = [
        (
            "formulas",
            f"{found.formulas:,}",
            "all as written" if not found.overwritten else f"{len(found.overwritten):,} overwritten",
        ),
        ("numbers of the model", "", "all as written" if not found.altered else f"{len(found.altered):,} altered"),
        ("results", f"{found.values:,}", _results(found)),
        ("inputs changed", f"{len(found.changed):,}", f"scenario {found.scenario} is chosen"),
    ]
    show(f"Workbook {path}", table("", ("checked", "cells", "result"), rows, right=(1,)), f"Rule: {found.rule}")
    if found.changed:
        lines = [(cell, name, _shown(old), _shown(new)) for cell, name, old, new in found.changed]
        show(table("Inputs that a person has changed", ("cell", "input", "old", "new"), lines, right=(2, 3)))
    _named([f"overwritten: {cell}" for cell in found.overwritten])
    _named([f"altered: {cell} belongs to the model" for cell in found.altered])
    _named(
        [f"different: {cell} shows {_shown(shown)}, its inputs give {_shown(wanted)}" for cell, shown, wanted in found.different]
    )
    if found.different and not found.overwritten and not found.altered:
        say("the workbook may not have been recalculated since its inputs were changed: open it in a spreadsheet and save it")
    say("the results follow from the inputs" if found.same else "the results do not follow from the inputs")
    return DONE if found.same else DIFFERENT


def _results(found: Checked) -> str:
    if found.different:
        return f"{len(found.different):,} do not follow from the inputs"
    return f"follow from the inputs; largest difference {found.largest:.2g} of a series' largest value"


def _shown(value: object) -> str:
    return "nothing" if value is None or value == "" else f"{value:.12g}" if isinstance(value, float) else str(value)


def _named(lines: list[str]) -> None:
    for line in lines[:MOST]:
        say(line)
    if len(lines) > MOST:
        say(f"... and {len(lines) - MOST:,} more")


def _netcdf(path: Path, *, as_json: bool) -> int:
    """Every run of a netCDF file, worked out again from the experiment and model that it names by hash."""
    from dataclasses import asdict

    from flowreform.export.roundtrip.netcdf import check_netcdf

    with at_work("runs") as advance:
        found = check_netcdf(path, advance)
    if as_json:
        print_json(asdict(found) | {"same": found.same})
    else:
        rows = [
            ("runs worked out again", f"{found.runs:,}", "all equal" if found.same else f"{len(found.faults):,} variables not"),
            ("numbers compared", f"{found.numbers:,}", f"largest difference {found.largest:.3g} of a series' largest value"),
        ]
        show(f"Results {path}", table("", ("checked", "numbers", "result"), rows, right=(1,)), f"Rule: {found.rule}")
        _named([f"different: {line}" for line in found.faults])
        say("as it should be" if found.same else "not as it should be")
    return DONE if found.same else DIFFERENT
