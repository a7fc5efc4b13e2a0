"""Nothing is lost and nothing stops for good: full disks, torn files, workers that die, what files and streams cannot hold."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import flowreform as fr
from flowreform import files
from flowreform.commands import terminal
from flowreform.commands.surroundings import leave_settings_unread, require_a_current_folder
from flowreform.errors import ExperimentError, visible
from flowreform.files import temporary_folder, write_file, write_files
from flowreform.results import REAL_NAME, read_netcdf, to_netcdf, write_netcdf
from flowreform.sweeps import pools
from flowreform.sweeps.store import open_ledger
from flowreform.text import cell

ROOT = Path(__file__).resolve().parents[2]
WARD = ROOT / "tests" / "fixtures" / "ward"
TIMES = "INITIAL TIME = 0 ~~|\nFINAL TIME = 1 ~~|\nTIME STEP = 1 ~~|\nSAVEPER = 1 ~~|\n"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src")}


def flowreform(*words: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "flowreform", *words]
    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT, "timeout": 300}
    return subprocess.run(command, cwd=cwd, check=False, **(settings | options))


@pytest.fixture
def ward_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WARD, tmp_path / "ward"))


# --- workers ---------------------------------------------------------------------------------------------------------


class Deadly(pools._Child):
    """A worker that dies of one part, whoever takes it."""

    number = 1

    def ask(self, number: int) -> bytes | None:
        return None if number == self.number else super().ask(number)


def test_a_part_that_kills_its_workers_is_failed_and_the_sweep_goes_on(
    ward_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = fr.read_experiment(ward_copy / "pace.toml")
    experiment = replace(experiment, draws=96, sweep=experiment.sweep.model_copy(update={"draws_per_part": 32}))
    monkeypatch.setattr(pools, "_Child", Deadly)
    told: list[str] = []
    done = fr.sweep(experiment, tmp_path / "out", workers=1, pool="processes", engine="python", told=told.append)
    assert (done.runs, done.failed) == (192, 64)
    assert any("part 1 was given to 4 workers" in line and "goes on" in line for line in told)
    ledger = open_ledger(tmp_path / "out")
    assert ledger.unworked() == {1}
    assert {failure.draw for failure in ledger.failures()} == set(range(32, 64))
    ledger.close()
    ds = fr.open_sweep(tmp_path / "out")
    assert not ds["failed"].values[:, :32].any()
    assert ds["failed"].values[:, 32:64].all()
    assert not ds["failed"].values[:, 64:].any()
    monkeypatch.setattr(pools, "_Child", Deadly.__bases__[0])
    again = fr.sweep(experiment, tmp_path / "out", workers=1, engine="python")
    assert (again.computed, again.failed) == (64, 0)
    ledger = open_ledger(tmp_path / "out")
    assert not ledger.unworked()
    ledger.close()


def test_parts_that_all_kill_their_workers_end_the_sweep(
    ward_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = fr.read_experiment(ward_copy / "pace.toml")
    experiment = replace(experiment, draws=320, sweep=experiment.sweep.model_copy(update={"draws_per_part": 32}))

    class AllDeadly(pools._Child):
        def ask(self, number: int) -> bytes | None:
            return None

    monkeypatch.setattr(pools, "_Child", AllDeadly)
    with pytest.raises(ExperimentError, match="each of them died"):
        fr.sweep(experiment, tmp_path / "out", workers=1, pool="processes", engine="python")


def test_other_words_are_said_on_resume(ward_copy: Path, tmp_path: Path) -> None:
    told: list[str] = []
    fr.sweep(fr.read_experiment(ward_copy / "pace.toml"), tmp_path / "out", engine="python")
    text = (ward_copy / "pace.toml").read_text(encoding="utf-8")
    (ward_copy / "pace.toml").write_text(text.replace('label = "slower"', 'label = "gently"'), encoding="utf-8")
    done = fr.sweep(fr.read_experiment(ward_copy / "pace.toml"), tmp_path / "out", engine="python", told=told.append)
    assert done.computed == 0
    assert any("labels" in line for line in told)
    assert "gently" in fr.open_sweep(tmp_path / "out")["scenario_label"].values
    assert fr.sweep(fr.read_experiment(ward_copy / "pace.toml"), tmp_path / "out", engine="python", told=told.append)
    assert sum("labels" in line for line in told) == 1


@pytest.mark.parametrize("array", ["status", "kpi_value", "input_value"])
def test_a_flipped_byte_in_a_chunk_is_a_damaged_sweep_wherever_it_is_read(array: str, ward_copy: Path, tmp_path: Path) -> None:
    fr.sweep(fr.read_experiment(ward_copy / "pace.toml"), tmp_path / "out", engine="python")
    chunk = next((tmp_path / "out" / "runs.zarr" / array).glob("c.*"))
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(bytes(content))
    ds = fr.open_sweep(tmp_path / "out")
    with pytest.raises(ExperimentError, match="the sweep is damaged"):
        ds.load()


# --- disks -----------------------------------------------------------------------------------------------------------


class Full:
    """A file on a disk that is full after so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_says_what_is_needed_and_what_is_free(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"1,000,000,000,000,000,000 bytes are needed and [\d,]+ are free"):
        write_file(tmp_path / "a", Full(0), size=10**18)
    with pytest.raises(ExperimentError, match=r"No space left.*free"):
        write_file(tmp_path / "a", Full(0))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


WRITERS = (
    ("run", "va_beds_to_community", "--draws", "20", "-o", "{}/out"),
    ("export", "va_beds_to_community", "--draws", "20", "-o", "{}/x.nc"),
    ("export", "va_beds_to_community", "--draws", "20", "-o", "{}/x.csv"),
    ("export", "va_beds_to_community", "--draws", "20", "-o", "{}/x.parquet"),
    ("export", "va_beds_to_community", "--draws", "20", "-o", "{}/x.xlsx"),
    ("export", "va_beds_to_community", "--draws", "20", "-o", "{}/v.xlsx", "--values"),
    ("export", "va_transformation", "-o", "{}/m.xmile"),
    ("sweep", "va_beds_to_community", "--draws", "2000", "-o", "{}/sweep"),
    ("sensitivity", "va_beds_to_community", "--samples", "32", "-o", "{}/sensitivity"),
    ("report", "va_beds_to_community", "--draws", "20", "-o", "{}/m.html"),
)


@pytest.mark.slow
@pytest.mark.requires("mount")
@pytest.mark.parametrize("words", WRITERS, ids=lambda words: "_".join(words[:1] + words[-1:]).replace("/", ""))
def test_every_writer_ends_in_one_line_on_a_full_disk(words: tuple[str, ...], small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(50_000))
    done = flowreform(*(word.format(small_disk) for word in words), cwd=tmp_path)
    text = done.stderr.decode()
    assert done.returncode == 1, text
    assert "Traceback" not in text
    assert "No space left" in text or "disk I/O error" in text or "disk is full" in text
    assert "free" in text
    assert not [path.name for path in small_disk.rglob("*") if path.name.startswith((".flowreform", "x.", "v.", "m."))]


def test_netcdf_has_one_writer() -> None:
    """A second one ended the process by a segmentation fault where the disk was full."""
    source = Path(files.__file__).parent
    assert [path.name for path in source.rglob("*.py") if re.search(r"[\w)]\.to_netcdf\(", path.read_text("utf-8"))] == [
        "results.py"
    ]


@pytest.mark.parametrize("words", [("export", "--values", "-o", "v.xlsx"), ("sensitivity", "--samples", "16", "-o", "s")])
def test_no_byte_more_than_a_file_may_have(words: tuple[str, ...], ward_copy: Path) -> None:
    """What a full disk is to the writers: one line, no complaint of a library behind it, and no end of the process."""
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)); from flowreform.cli import main; main()"
    )
    name, *more = words
    done = subprocess.run(
        [sys.executable, "-c", script, name, "pace.toml", *more], cwd=ward_copy, capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "File too large" in done.stderr


@pytest.mark.parametrize("kind", ["few", "many"])
def test_hdf5_survives_a_write_that_fails_at_any_byte(kind: str, tmp_path: Path) -> None:
    """In a process of its own: without the file that keeps its fault to itself, HDF5 ends the process; and with many variables
    where what could not be written cannot be read back."""
    script = """
import sys, errno, os
import numpy as np, xarray as xr
from flowreform import files, results
from pathlib import Path
class Full:
    def __init__(self, room): self.room = room
    def __call__(self, *words, **more):
        file = open(*words, **more); return Limited(file, self.room)
class Limited:
    def __init__(self, file, room): self.file, self.room = file, room
    def __getattr__(self, name): return getattr(self.file, name)
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, content):
        self.room -= len(content)
        if self.room < 0: raise OSError(errno.ENOSPC, 'No space left on device')
        return self.file.write(content)
numbers = np.random.default_rng(1)
few = xr.Dataset({'a': (('x', 'y'), numbers.random((50, 40)))}, attrs={'t': 'x' * 100})
many = xr.Dataset({f'v{n}': (('x', f'd{n}'), numbers.random((5, n + 1)), {'long_name': 'w' * 90}) for n in range(60)})
many = many.assign_coords(x=[f'scenario {n}' for n in range(5)])
ds = many if sys.argv[1] == 'many' else few
results.to_netcdf(ds, Path('whole.nc'))
size = os.path.getsize('whole.nc')
for room in range(0, size - 200, size // (12 if sys.argv[1] == 'few' else 5)):  # the seal at the end is written by others
    files.open = Full(room)
    try: results.to_netcdf(ds, Path(f'{room}.nc'))
    except OSError as fault: assert fault.errno == errno.ENOSPC
    else: raise SystemExit(f'no fault with room for {room} of {size} bytes')
"""
    done = subprocess.run(
        [sys.executable, "-c", script, kind], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_folders_of_killed_runs_are_tidied_and_those_in_use_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, young = tmp_path / f"{files.TEMPORARY}left", tmp_path / f"{files.TEMPORARY}young"
    for place in (left, young):
        place.mkdir()
        (place / "half").write_text("x", encoding="utf-8")
    os.utime(left, (0, 0))
    with temporary_folder() as mine:
        os.utime(mine, (0, 0))
        with temporary_folder():
            assert mine.is_dir()
    assert young.is_dir()
    assert not left.exists()


def test_outputs_that_are_links_are_followed_where_the_user_named_them(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", lambda path: path.write_text("new", encoding="utf-8") and None)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"
    write_files(tmp_path, {"link": lambda path: path.write_text("own", encoding="utf-8") and None})
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"


@pytest.mark.slow
def test_flipped_bits_in_netcdf_are_one_finding(tmp_path: Path) -> None:
    """In processes of their own: whatever HDF5 does with them, it must not end the process."""
    ds = fr.simulate("care_shift", save=["occupied_beds"], save_every=12.0)
    write_netcdf(ds, tmp_path / "r.nc")
    content = (tmp_path / "r.nc").read_bytes()
    script = """
import sys, random
from pathlib import Path
from flowreform.errors import ExperimentError
from flowreform.results import read_netcdf
content = Path('r.nc').read_bytes()
dice = random.Random(int(sys.argv[1]))
for _ in range(60):
    changed = bytearray(content)
    changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    Path(f'{sys.argv[1]}.nc').write_bytes(changed)
    try: read_netcdf(Path(f'{sys.argv[1]}.nc'))
    except ExperimentError: pass
"""
    assert content
    for seed in range(8):
        words = [sys.executable, "-c", script, str(seed)]
        done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, (seed, done.returncode, done.stderr[-500:])


# --- names, numbers, words -------------------------------------------------------------------------------------------


def test_names_with_a_slash_come_back_from_a_file(tmp_path: Path) -> None:
    name = "step-up/step-down_beds"
    ds = xr.Dataset({name: ("ward/unit", [1.0, 2.0])}, {"ward/unit": ["a", "b"]}, {"x": 1})
    ds[name].attrs = {"long_name": "Step-up/step-down beds", "units": "bed"}
    ds["ward/unit"].attrs = {"long_name": "ward or unit"}
    write_netcdf(ds, tmp_path / "r.nc")
    assert read_netcdf(tmp_path / "r.nc").identical(ds)
    with xr.open_dataset(tmp_path / "r.nc", engine="h5netcdf") as stored:
        assert set(stored.variables) == {"step-up_step-down_beds", "ward_unit"}
        assert stored["step-up_step-down_beds"].attrs["long_name"] == "Step-up/step-down beds"
        assert stored["step-up_step-down_beds"].attrs[REAL_NAME] == name


def test_two_names_that_differ_by_a_slash_stay_apart(tmp_path: Path) -> None:
    ds = xr.Dataset({"a/b": ("x", [1.0]), "a_b": ("x", [2.0])})
    to_netcdf(ds, tmp_path / "r.nc")
    assert float(read_netcdf(tmp_path / "r.nc")["a/b"][0]) == 1.0


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 1e9, -1.0, [0.9, None]])
def test_simulate_refuses_what_the_command_line_refuses(value: Any) -> None:
    with pytest.raises(ExperimentError, match=r"is None, NaN or infinite|outside the range"):
        fr.simulate("care_shift", {"occupancy_at_start": value})


def test_models_and_experiments_can_be_sent_and_copied() -> None:
    model = fr.read_model("care_shift")
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301 - our own
    assert copy.deepcopy(model) == model
    experiment = fr.read_experiment("va_beds_to_community")
    assert pickle.loads(pickle.dumps(experiment)).scenarios.keys() == experiment.scenarios.keys()  # noqa: S301


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("title = \u201cours\u201d", "curly"),
        ('title = "C:\\Users\\me"', "backslash"),
        ("draws = 1,5", "decimal comma"),
        ('title = "a\\u0000b"', "null character"),
    ],
)
def test_habits_of_other_programs_are_named(line: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text(f"[experiment]\n{line}\n", encoding="utf-8")
    with pytest.raises(ExperimentError, match=word) as caught:
        fr.read_experiment(path)
    assert caught.value.findings[0].line == 2


def test_a_sheet_of_too_many_rows_is_refused(tmp_path: Path) -> None:
    import datetime

    from flowreform.export.workbook.book import MOST_ROWS, Book

    with Book(tmp_path / "b.xlsx", datetime.datetime(2000, 1, 1), {}) as book:
        page = book.page("A")
        page.write(MOST_ROWS - 1, 0, 1.0)
        with pytest.raises(ExperimentError, match="1,048,576"):
            page.write(MOST_ROWS, 0, 1.0)


@pytest.mark.parametrize("sheets", [0, 1, 2])
def test_a_workbook_given_up_leaves_nothing_open(sheets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong on the way: no handle, no row that waits in the temporary folder, no complaint at its end."""
    import datetime
    import gc

    import psutil

    from flowreform.export.workbook.book import Book

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "for_a_while"))
    (tmp_path / "for_a_while").mkdir()

    def give_up() -> None:
        with Book(tmp_path / "b.xlsx", datetime.datetime(2000, 1, 1), {}) as book:
            for number in range(sheets):
                book.page(f"sheet {number}").write(0, 0, "text" * 10_000)
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    gc.collect()
    assert list((tmp_path / "for_a_while").iterdir()) == []
    assert not [file.path for file in psutil.Process().open_files() if Path(file.path).is_relative_to(tmp_path)]


@pytest.mark.parametrize("text", ["99999999999999999999", "-", "\u00b2", "1e9"])
def test_a_date_that_is_none_is_one_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowreform.export.workbook.book import source_date

    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(ExperimentError, match="SOURCE_DATE_EPOCH"):
        source_date()


def test_no_room_for_rows_that_wait_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from flowreform.export.workbook.book import Book

    def full(self: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(path: Path) -> None:
        with Book(path, datetime.datetime(2000, 1, 1), {}) as book:
            book.page("A").put(0, 0, 1.0)

    monkeypatch.setattr("xlsxwriter.workbook.Workbook._store_workbook", full)
    with pytest.raises(ExperimentError, match=r"No space left.*free"):
        write_file(tmp_path / "b.xlsx", write)
    assert list(tmp_path.iterdir()) == []


MARKS = "\x1b[31mred\x1b]0;t\x07 \x9b2J \u202eevil\u202c \u200b\u2066x\u2069"


def test_nothing_is_hidden_in_text_that_people_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible(MARKS).isprintable()
    assert visible("Å\u00a0b\u2009c\nd") == "Å b c\nd"
    assert cell(MARKS).isprintable()
    assert "](" not in cell("![x](http://a.example/?q)")
    terminal.say(MARKS)
    terminal.show(MARKS, terminal.table(MARKS, [MARKS], [[MARKS]]))
    terminal.write(MARKS)
    terminal.print_json({MARKS: MARKS})
    shown = capsys.readouterr()
    assert all(mark.isprintable() or mark == "\n" for mark in shown.out + shown.err)


def test_json_says_the_same_with_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    terminal.print_json({"title": MARKS, "far": "\U000e0001"})
    assert json.loads(capsys.readouterr().out) == {"title": MARKS, "far": "\U000e0001"}


# --- streams ---------------------------------------------------------------------------------------------------------


def test_standard_output_full_closed_or_without_the_characters(tmp_path: Path) -> None:
    shell = f"{sys.executable} -P -m flowreform models"

    def run(tail: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["sh", "-c", shell + tail], cwd=tmp_path, env=ENVIRONMENT | environment, capture_output=True, check=False
        )

    full = run(" > /dev/full")
    assert full.returncode == 1
    assert full.stderr.decode().count("\n") == 1
    assert "cannot write to standard output: No space left on device" in full.stderr.decode()
    for tail in (" >&-", " 2>&-", " <&- >&- 2>&-"):
        assert run(tail).returncode == 0, tail
    poor = run("", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert poor.returncode == 0
    assert poor.stdout.isascii()


def test_an_output_in_another_encoding_is_escaped(tmp_path: Path) -> None:
    shutil.copytree(WARD, tmp_path / "ward")
    path = tmp_path / "ward" / "pace.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("The pace", "Le délai 病床"), encoding="utf-8")
    done = flowreform("run", "ward/pace.toml", cwd=tmp_path, env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert b"\\u75c5" in done.stdout


def test_as_many_samples_as_no_machine_holds_are_one_line(tmp_path: Path) -> None:
    before = time.monotonic()
    for method in ("sobol", "morris", "pawn"):
        with pytest.raises((ExperimentError, MemoryError)):
            fr.sensitivity("va_beds_to_community", method=method, samples=2**40)
    assert time.monotonic() - before < 60


# --- spreadsheets of data ------------------------------------------------------------------------------------------


FAR = '<row r="2"><c r="XFD1048576"><v>1</v></c></row>'
"""A cell in the far corner, in a row that says another number."""


def data_book(path: Path, more: str = "", said: int | None = None) -> None:
    """A workbook with 3 in Data!A1 and `more` in the XML of its sheet, which claims to unpack to `said` bytes."""
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Data").write(0, 0, 3.0)
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b"</sheetData>", f"{more}</sheetData>".encode())
    parts["xl/worksheets/sheet1.xml"] = sheet
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    if said is not None:
        path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(sheet)), struct.pack("<I", said)))


def of_data(folder: Path) -> float:
    """The number that a Vensim model takes from the workbook beside it."""
    text = "{UTF-8}\nx = GET DIRECT CONSTANTS('data.xlsx', 'Data', 'A1') ~ ~ |\nINITIAL TIME = 0 ~ ~ |\nFINAL TIME = 1 ~ ~ |\n"
    (folder / "m.mdl").write_text(text + "TIME STEP = 1 ~ ~ |\nSAVEPER = 1 ~ ~ |\n", encoding="utf-8")
    return float(fr.simulate(fr.read_model(folder / "m.mdl"), engine="python")["x"].values.ravel()[0])


def test_a_number_comes_from_a_workbook_beside_the_model(tmp_path: Path) -> None:
    data_book(tmp_path / "data.xlsx")
    assert of_data(tmp_path) == 3.0


@pytest.mark.parametrize(
    ("more", "said"), [(FAR, None), (" " * 2_000_000, 500)], ids=["two cells in far corners", "a zip that lies about its size"]
)
def test_a_workbook_that_unpacks_to_too_much_is_one_line(tmp_path: Path, more: str, said: int | None) -> None:
    """Read in this process, the first of them ends it: calamine makes room for 17,179,869,184 cells."""
    data_book(tmp_path / "data.xlsx", more, said)
    with pytest.raises(fr.ModelError, match=r"data\.xlsx cannot be read") as caught:
        of_data(tmp_path)
    assert len(caught.value.findings) == 1


@pytest.mark.parametrize("kept", [0, 100, -30])
def test_a_workbook_of_data_that_is_cut_short_is_one_line(tmp_path: Path, kept: int) -> None:
    data_book(tmp_path / "data.xlsx")
    (tmp_path / "data.xlsx").write_bytes((tmp_path / "data.xlsx").read_bytes()[:kept])
    with pytest.raises(fr.ModelError, match=r"data\.xlsx cannot be read"):
        of_data(tmp_path)


# --- equations as deep as a reader lets through ------------------------------------------------------------------------


DEEP = 390
NESTED = {
    "powers": "2" + "^1" * DEEP,
    "brackets": "1+(" * DEEP + "TIME" + ")" * DEEP,
    "calls": "MIN(1," * DEEP + "TIME" + ")" * DEEP,
    "arguments": f"MAX({','.join('1' * DEEP)})",
    "conditions": "IF TIME > 1 THEN 1 ELSE " * DEEP + "0",
    "quotients": "(1/" * DEEP + "(TIME+1)" + ")" * DEEP,
}


@pytest.mark.parametrize("kind", NESTED)
def test_what_is_read_is_run_written_and_exported(kind: str, tmp_path: Path) -> None:
    from building import flow, model, stock
    from flowreform.export.workbook.engine_sheet import columns_of
    from flowreform.export.workbook.source import read_source
    from flowreform.export.workbook.write import lay_out

    deep = model([stock("s", "1", inflows=("f",)), flow("f", NESTED[kind])], dt=1.0, stop=2.0)
    expected = fr.simulate(deep, engine="python")["f"].values
    fr.write_model(deep, tmp_path / "m.xmile")
    again = fr.read_model(tmp_path / "m.xmile")
    assert (fr.simulate(again, engine="python")["f"].values == expected).all()
    source = read_source(fr.experiment_of(again) if hasattr(fr, "experiment_of") else fr.Experiment(again))
    assert columns_of(source, lay_out(source))


@pytest.mark.parametrize(
    "text", [".".join("a" * 20_000) + " = 1", f"[{'.'.join('a' * 20_000)}]", "x = " + "[" * 50_000, "x = " + "{a=" * 5_000]
)
def test_what_is_deeper_than_any_table_is_one_line_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(ExperimentError):
        fr.read_experiment(tmp_path / "e.toml")
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("name", ["a" * 5000, "\x00", "a/" * 3000 + "b", "~", "\udcff"])
def test_names_that_no_file_can_have_are_no_faults_of_ours(name: str) -> None:
    for read in (fr.read_experiment, fr.read_model, fr.read_netcdf, fr.open_sweep):
        for ending in ("", ".xmile", ".toml", ".nc"):
            with pytest.raises((ExperimentError, fr.ModelError, OSError)) as caught:
                read(f"./{name}{ending}")  # type: ignore[operator]
            assert not isinstance(caught.value, OSError) or caught.value.filename


@pytest.mark.parametrize(
    "change", [{"kept_draws": 2**40}, {"scenarios": ["a"] * 10}, {"parameters": ["x"]}, {"times": 2**45}, {"draws": 2**52}]
)
def test_a_layout_that_is_not_the_experiments_is_damage_wherever_it_is_read(change: Any, ward_copy: Path, tmp_path: Path) -> None:
    import json
    import sqlite3

    experiment = fr.read_experiment(ward_copy / "pace.toml")
    fr.sweep(experiment, tmp_path / "out", engine="python")
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as base:
        (text,) = base.execute("SELECT value FROM about WHERE key = 'layout'").fetchone()
        base.execute("UPDATE about SET value = ? WHERE key = 'layout'", (json.dumps(json.loads(text) | change),))
    base.close()
    with pytest.raises(ExperimentError, match=r"damaged|draws were begun"):
        fr.sweep(experiment, tmp_path / "out", engine="python")
    with pytest.raises(ExperimentError, match=r"damaged|draws"):
        fr.open_sweep(tmp_path / "out")


def test_links_that_lead_round_are_one_line(ward_copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "runs.zarr").symlink_to(out / "runs.zarr")
    with pytest.raises(ExperimentError, match="symbolic link"):
        fr.sweep(fr.read_experiment(ward_copy / "pace.toml"), out, engine="python")
    round_about = ward_copy / "data.csv"
    round_about.symlink_to(round_about)
    model = ward_copy / "m.mdl"
    model.write_text("{UTF-8}\nx = GET DIRECT CONSTANTS('data.csv', ',', 'B1') ~~|\n" + TIMES, encoding="utf-8")
    with pytest.raises(fr.ModelError, match="leads to itself"):
        fr.read_model(model)


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_a_folder_whose_name_is_no_text(ward_copy: Path) -> None:
    """The command stands in the ledger, and no text there can hold a byte that is not UTF-8."""
    done = flowreform("sweep", "pace.toml", "-o", os.fsdecode(b"odd\xff"), cwd=ward_copy)
    assert done.returncode == 0, done.stderr
    assert (ward_copy / os.fsdecode(b"odd\xff") / "ledger.sqlite").is_file()


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path, linked: bool) -> None:
    """A link to a device, as root: the device was gone, and a file stood in its place."""
    pipe, link = tmp_path / "pipe", tmp_path / "o.svg"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with pytest.raises(ExperimentError, match="not an ordinary file"):
        files.write_text(link if linked else pipe, "text")
    assert pipe.is_fifo()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["o.svg", "pipe"]


# --- the environment --------------------------------------------------------------------------------------------------


def test_no_setting_of_a_library_stops_a_command(ward_copy: Path) -> None:
    """A chart's backend that there is not, kernels not to be compiled or with 0 threads, a width that is no number: each ended
    a run with a fault of our own."""
    wrong = {
        "MPLBACKEND": "nothing",
        "NUMBA_DISABLE_JIT": "1",
        "NUMBA_NUM_THREADS": "0",
        "COLUMNS": "\u00b2",
        "LINES": "9" * 5000,
    }
    words = ("run", str(ward_copy / "model.xmile"), "--engine", "numba", "-o", "out")
    done = flowreform(*words, cwd=ward_copy, env=ENVIRONMENT | wrong)
    assert done.returncode == 0, done.stderr
    assert (ward_copy / "out" / "chart.png").is_file()


@pytest.mark.parametrize("form", ["file", "folder", "own"])
def test_a_pipe_of_settings_is_not_waited_for(ward_copy: Path, form: str) -> None:
    """matplotlib opens whatever its settings name: a run with a chart never ended."""
    pipes = ward_copy / "pipes" / "matplotlib"
    pipes.mkdir(parents=True)
    os.mkfifo(pipes / "matplotlibrc")
    place = {"file": {"MATPLOTLIBRC": str(pipes / "matplotlibrc")}, "folder": {"MATPLOTLIBRC": str(pipes)}}
    script = (
        "from flowreform.commands.surroundings import leave_settings_unread; leave_settings_unread(); "
        "import matplotlib; print(len(matplotlib.rcParams) > 100)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=ENVIRONMENT | place.get(form, {"XDG_CONFIG_HOME": str(pipes.parent)}),
        cwd=ward_copy, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "True\n", done.stderr


def test_settings_of_libraries_are_read_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They name codecs to load and folders with files to read; a pipe among those was waited for. Dask's are its user's own."""
    for words, left in ((["sweep", "--scheduler", "tcp://x:1"], {"DASK_CONFIG"}), (["sweep"], set())):
        for name in ("ZARR_CONFIG", "ZARR_CODECS__BYTES", "DASK_CONFIG"):
            monkeypatch.setenv(name, "2")
        monkeypatch.setattr(sys, "argv", ["flowreform", *words])
        leave_settings_unread()
        assert {name for name in os.environ if name.startswith(("ZARR_", "DASK_"))} == left


def test_a_current_folder_that_is_gone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    with pytest.raises(ExperimentError, match="the current folder is no longer there"):
        require_a_current_folder()
    monkeypatch.chdir(tmp_path)
    require_a_current_folder()
