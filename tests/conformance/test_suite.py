"""Every model of the vendor-checked suite (FLOWREFORM_TEST_MODELS): read, run and compared with the vendor's own table.

`pytest -m slow tests/conformance -s` compiles every model and runs the same table through PySD and pysimlin.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from flowreform import read_model
from flowreform.engine import plan
from flowreform.errors import ModelError
from flowreform.lower import lower
from flowreform.program import LookupRead, Op, Program, Read, Reduce, Term, Vector, walk

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import others  # noqa: E402
import suite  # noqa: E402

from conftest import conformance_folder  # noqa: E402

FOLDER = conformance_folder()
FILES = suite.models(FOLDER) if FOLDER.is_dir() else []
IN_SOME_RUNS = ", in some runs"
"""Ends the last cell of a row of `WITNESSES` that another tool does not give every time."""
WITNESSES = Path(__file__).parents[2] / "docs" / "witnesses.md"
NOT_DONE = ("GET TIME VALUE is done for the model's own time only",)
"""What is refused by name, and why: reading the calendar needs the date on which the model's Time is 0, which a run that is
to be repeatable from its inputs cannot take from the machine."""

_outcomes: dict[Path, suite.Outcome] = {}


def outcome(path: Path) -> suite.Outcome:
    """What became of a file, worked out once."""
    if path not in _outcomes:
        _outcomes[path] = suite.judge(path)
    return _outcomes[path]


@pytest.mark.requires("conformance")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_model_matches_its_vendor(path: Path) -> None:
    found = outcome(path)
    if found.status == "unsupported" and any(text in found.reason for text in NOT_DONE):
        return
    assert found.status in ("matches", "runs", "broken"), found.reason


@pytest.mark.requires("conformance")
def test_nearly_every_file_is_compared() -> None:
    """The excuses are few: files broken by their exporter are never .mdl files with all their data, and no sound file runs
    uncompared."""
    all_of = {path: outcome(path) for path in FILES}
    print("\n" + "\n".join(suite.tally(all_of)))
    sound = [found for found in all_of.values() if found.status != "broken"]
    assert len(sound) >= 0.8 * len(all_of)
    assert sum(found.status == "matches" for found in sound) >= 0.98 * len(sound)


# --- the compiled engine ---------------------------------------------------------------------------------------------


def constructs(program: Program) -> set[str]:
    """What a program is made of, as far as the compiled engine is concerned."""
    found = {f"method {program.method}"}
    statements = (*program.constant, *program.initial, *program.step)
    found |= {f"{len(statement.loops)} loops" for statement in statements}
    for code in (*(s.code for s in statements), *(stock.rate for stock in program.stocks)):
        for part in walk(code):
            found.add(type(part).__name__)
            if isinstance(part, Op):
                found.add(part.name)
            elif isinstance(part, Reduce):
                found.add(f"reduce {part.op} {'long' if part.size > 16 else 'short'}")
            elif isinstance(part, LookupRead):
                long = "long" if len(program.tables[part.table].x) > 24 else "short"
                found.add(f"lookup {program.tables[part.table].kind} {long} {bool(part.terms)}")
            elif isinstance(part, Vector):
                found.add(part.name)
            elif isinstance(part, Read) and part.picks:
                found.add("picks")
            if any(isinstance(term, Term) and term.table for term in getattr(part, "terms", ())):
                found.add("index table")
    found |= {name for name, there in (("memory", program.memory), ("past", program.remembered)) if there}
    found |= {"non-negative" for stock in program.stocks if stock.non_negative}
    return found


def sample(paths: Iterable[Path], most: int) -> list[Path]:
    """A few small models that together hold every construct (as many as fit)."""
    made: dict[Path, tuple[set[str], int]] = {}
    for path in paths:
        program = lower(read_model(path))
        made[path] = constructs(program), len(plan(program, range(program.slots)).text.source)
    missing = set().union(*(held for held, _ in made.values()))
    chosen: list[Path] = []
    while missing and len(chosen) < most:
        best = max(made, key=lambda path: len(made[path][0] & missing) / (2_000 + made[path][1]))
        if not made[best][0] & missing:
            break
        chosen.append(best)
        missing -= made[best][0]
    print(f"\n{len(chosen)} models compiled; constructs left out: {sorted(missing)}")
    return chosen


def assert_bit_equal(path: Path) -> None:
    """CPython and numba give the same bits for every variable of a model."""
    model = read_model(path)
    times, slow = suite.run_flat(model, "python")
    again, fast = suite.run_flat(model, "numba")
    assert (times == again).all()
    assert slow.keys() == fast.keys()
    for name, values in slow.items():
        assert (np.ascontiguousarray(values).view(np.uint64) == np.ascontiguousarray(fast[name]).view(np.uint64)).all(), name


@pytest.mark.requires("conformance")
def test_the_compiled_engine_gives_the_same_bits_for_every_construct() -> None:
    started = time.perf_counter()
    for path in sample((path for path in FILES if outcome(path).status == "matches"), 8):
        if time.perf_counter() - started > 20.0:
            break  # a slow machine compiles what it can; the rest is in the slow test
        assert_bit_equal(path)


@pytest.mark.slow
@pytest.mark.requires("conformance")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_the_compiled_engine_gives_the_same_bits_for_every_model(path: Path) -> None:
    try:
        read_model(path)
    except ModelError:
        return  # refused: the table above says whether rightly
    if outcome(path).status != "unsupported":
        assert_bit_equal(path)


# --- other tools -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.requires("conformance", "pysimlin")
def test_no_other_tool_matches_more_files(tmp_path: Path) -> None:
    """The same sound files and tolerance through PySD and pysimlin, and on every disagreement the side the vendor takes.

    Files that are themselves broken are refused here, and a tool that guesses what they meant gains nothing by it."""
    sound = [path for path in FILES if outcome(path).status != "broken"]
    text, counts = others.report(sound, {path: outcome(path) for path in sound}, tmp_path)
    print("\n" + text)
    listed = WITNESSES.read_text(encoding="utf-8")
    found = [line.split(": ")[0].strip() for line in text.split("disagreements")[1].splitlines()[1:]]
    assert not [name for name in found if f"| {name} |" not in listed]
    for suffix in suite.SUFFIXES:
        assert counts["flowreform", suffix] >= max(counts["PySD", suffix], counts["pysimlin", suffix]), suffix


@pytest.mark.slow
@pytest.mark.requires("conformance", "pysimlin")
def test_every_disagreement_in_the_ninth_digit_is_listed(tmp_path: Path) -> None:
    """Where dt is exact and PySD or pysimlin can run a model, it gives our numbers to 1e-9, or docs/witnesses.md says where
    not and whose side the vendor takes."""
    running = [path for path in FILES if outcome(path).status in ("matches", "runs", "misses")]
    rows, counts = others.disagreements(running, FOLDER, tmp_path)
    print(
        "\n" + "\n".join(f"{tool} {suffix}: {agree} of {compared} agree" for (tool, suffix), (compared, agree) in counts.items())
    )
    for file, tool, column, off, side in rows:
        print(f"| {file} | {tool} | {column} | {off:.1g} | {side} |")
    found = {(file, tool): side for file, tool, _, _, side in rows}
    listed = {}
    for line in WITNESSES.read_text(encoding="utf-8").partition("## To the ninth digit")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1] in others.TOOLS:
            listed[cells[0], cells[1]] = cells[4]
    at_times = {row for row, side in listed.items() if side.endswith(IN_SOME_RUNS)}
    assert {row: listed.get(row, "").removesuffix(IN_SOME_RUNS) for row in found} == found
    assert set(listed) - set(found) <= at_times, "rows that are no longer so"


def test_a_table_that_makes_people_from_nothing_is_recognised(tmp_path: Path) -> None:
    """The same model beside a table that keeps the balance, one that holds the stock at zero while the flow runs on, and one
    that is merely wrong."""
    path = tmp_path / "m.xmile"
    path.write_text(
        '<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"><header><vendor>v</vendor><product>p</product>'
        "</header><sim_specs><start>0</start><stop>2</stop><dt>1</dt></sim_specs><model><variables>"
        '<stock name="s"><eqn>2</eqn><outflow>f</outflow><non_negative/></stock><flow name="f"><eqn>1.5</eqn></flow>'
        "</variables></model></xmile>",
        encoding="utf-8",
    )
    tables = {
        "matches": [(2, 1.5), (0.5, 0.5), (0, 0)],
        "broken": [(2, 1.5), (0.5, 1.5), (0, 1.5)],
        "misses": [(2, 1), (1, 1), (0, 0)],
    }
    for status, rows in tables.items():
        lines = ["Time\ts\tf", *(f"{time}\t{s}\t{f}" for time, (s, f) in enumerate(rows))]
        (tmp_path / "output.tab").write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert suite.judge(path).status == status


def test_whose_side_the_vendor_takes_is_read_from_its_full_cells(tmp_path: Path) -> None:
    """An empty cell speaks for nobody, and infinity is as far from a number as can be."""
    (tmp_path / "m.mdl").write_text("", encoding="utf-8")
    (tmp_path / "output.tab").write_text("Time\tx\ty\n0\t1\t\n1\t\t\n2\t3\t\n", encoding="utf-8")
    times = np.array([0.0, 1.0, 2.0])
    ours = times, {"x": np.array([9.0, 2.0, 9.0]), "y": np.array([1.0, 1.0, 1.0])}
    theirs = times, {"x": np.array([1.0, 2.0, 3.0]), "y": np.array([2.0, np.inf, 2.0])}
    assert others.side_of_vendor(tmp_path / "m.mdl", "x", ours, theirs, "PySD") == "PySD"
    assert others.side_of_vendor(tmp_path / "m.mdl", "x", theirs, ours, "PySD") == "flowreform"
    assert others.side_of_vendor(tmp_path / "m.mdl", "y", ours, theirs, "PySD") == "not in the table"
    assert others.apart(ours, theirs) == (np.inf, "y")
