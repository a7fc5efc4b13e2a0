"""What may happen to a sweep: it is killed, interrupted, starved of disk, damaged. No finished run is lost, nothing hangs, and
in the end the files are those of the sweep that nothing happened to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import flowreform as fr
from flowreform.sweeps.ledger import Ledger
from sweep.commands import Command, run
from sweep.folders import DRAWS, PART, contents

HERE = Path(__file__).parent
SLOW = ("--engine", "python", "--workers", "1", "--quiet")
"""The interpreter takes long enough to be caught at work."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


def parts(folder: Path) -> int:
    """Parts that the ledger has."""
    ledger = Ledger(folder / "ledger.sqlite", write=False)
    try:
        return len(ledger.parts())
    finally:
        ledger.close()


def goes_on(experiment_file: Path, folder: Path, right: dict[str, str], *, at_least: int = 1) -> str:
    """The same command again finishes the sweep, without doing anything twice; what it said."""
    done = parts(folder)
    assert at_least <= done < -(-DRAWS // PART)
    code, text = run("sweep", experiment_file, "-o", folder, "--engine", "python", "--json")
    assert code == 0, text
    assert contents(folder) == right
    assert not list(folder.rglob(".*.tmp"))
    assert not (folder / "lock").exists()
    answer = json.loads(text[text.index("{\n") : text.rindex("}") + 1])
    assert answer["computed"] <= 2 * (DRAWS - PART * done)
    return text


def killed(experiment_file: Path, folder: Path, every: int, *words: str) -> tuple[int, list[int]]:
    """A tiny sweep killed at every so manieth of its steps: how many kills, and the steps after which it came out wrong."""
    small = experiment_file.with_name("small.toml")
    text = experiment_file.read_text(encoding="utf-8").replace(f"draws = {DRAWS}", "draws = 5")
    text = text.replace(f"draws_per_part = {PART}", "draws_per_part = 2\nquantiles = [0.5]")
    small.write_text(text, encoding="utf-8")
    fr.sweep(fr.read_experiment(small), folder / "right", engine="python", workers=1)
    places = (str(small), str(folder / "work"), str(folder / "right"))
    command = [sys.executable, str(HERE / "killing.py"), *places, str(every), *words]
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    kills, wrong = json.loads(done.stdout)
    return kills, wrong


def test_kill_at_many_steps_and_again_while_it_resumes(experiment_file: Path, tmp_path: Path) -> None:
    kills, wrong = killed(experiment_file, tmp_path, 61)
    assert kills > 10
    assert wrong == []


@pytest.mark.slow
def test_kill_at_many_more_steps_and_again_while_it_resumes(experiment_file: Path, tmp_path: Path) -> None:
    kills, wrong = killed(experiment_file, tmp_path, 11)
    assert kills > 40
    assert wrong == []


def test_a_store_that_wrote_the_ledger_first_and_checked_nothing_would_be_caught(experiment_file: Path, tmp_path: Path) -> None:
    kills, wrong = killed(experiment_file, tmp_path, 61, "careless")
    assert kills > 3
    assert wrong


def test_kill_dash_nine(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=2)
    sweep.until_held()
    sweep.send(signal.SIGKILL)
    assert sweep.wait() == -signal.SIGKILL
    assert (folder / "lock").exists()
    text = goes_on(experiment_file, folder, right)
    assert f"did not end in order (process {sweep.pid} on" in text


def test_kill_dash_nine_with_processes_leaves_nobody_behind(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command(
        "sweep", experiment_file, "-o", folder, "--engine", "python", "--workers", "2", "--processes", "--quiet", hold=1
    )
    sweep.until_held()
    children = psutil.Process(sweep.pid).children()
    assert len(children) == 2
    sweep.send(signal.SIGKILL)
    sweep.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    goes_on(experiment_file, folder, right)


def test_a_killed_worker_has_its_part_run_again(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, "--engine", "python", "--workers", "2", "--processes", hold=1)
    sweep.until_held()
    psutil.Process(sweep.pid).children()[0].kill()
    sweep.go()
    assert sweep.wait() == 0
    assert "the part is run again" in sweep.text
    assert contents(folder) == right


def test_workers_that_all_die_end_the_sweep_in_one_line(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, "--engine", "python", "--workers", "1", "--processes", hold=1)
    sweep.until_held()
    killed: set[int] = set()
    sweep.go()

    def kill() -> bool:
        if sweep.process.is_alive():
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(sweep.pid).children():
                    killed.add(child.pid)
                    child.kill()
        return not sweep.process.is_alive()

    sweep.until(kill, ended=True)
    assert sweep.wait() == 1
    assert "was given to 4 workers and each of them died" in sweep.text
    assert "Traceback" not in sweep.text
    assert len(killed) >= 4
    goes_on(experiment_file, folder, right)


def test_ctrl_c_once_finishes_the_part_in_hand(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=1)
    sweep.until_held()
    sweep.send(signal.SIGINT)
    sweep.go()
    assert sweep.wait() == 130
    assert "runs are safe in" in sweep.text
    assert f"flowreform sweep {experiment_file} -o {folder}" in sweep.text
    assert not (folder / "lock").exists()
    goes_on(experiment_file, folder, right, at_least=2)


@pytest.mark.parametrize("pool", [(), ("--processes",)])
def test_ctrl_c_twice_leaves_at_once(pool: tuple[str, ...], experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, *pool, hold=1)
    sweep.until_held()
    sweep.send(signal.SIGINT)
    time.sleep(0.05)
    sweep.send(signal.SIGINT)
    sweep.go()
    assert sweep.wait() == 130
    goes_on(experiment_file, folder, right)


def test_termination_leaves_at_once(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=2)
    sweep.until_held()
    sweep.send(signal.SIGTERM)
    sweep.go()
    assert sweep.wait() == 143
    assert "to go on" in sweep.text
    goes_on(experiment_file, folder, right)


def test_a_folder_taken_away_and_put_back(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=2)
    sweep.until_held()
    os.rename(folder, folder.with_name("away"))
    sweep.go()
    assert sweep.wait() == 1
    assert "the folder is not there" in sweep.text
    assert "Traceback" not in sweep.text
    assert not folder.exists()
    os.rename(folder.with_name("away"), folder)
    goes_on(experiment_file, folder, right)


def test_a_folder_deleted(experiment_file: Path, folder: Path) -> None:
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=2)
    sweep.until_held()
    shutil.rmtree(folder)
    sweep.go()
    assert sweep.wait() == 1
    assert "the folder is not there" in sweep.text
    assert not folder.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.requires("mount")
def test_a_full_disk(experiment_file: Path, small_disk: Path, right: dict[str, str]) -> None:
    folder = small_disk / "sweep"
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=1)
    sweep.until_held()
    with open(small_disk / "filler", "wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    sweep.go()
    assert sweep.wait() == 1
    assert "No space left on device" in sweep.text or "full" in sweep.text
    assert "finished parts are safe" in sweep.text
    assert "Traceback" not in sweep.text
    assert run("sweep", experiment_file, "-o", folder, *SLOW)[0] == 1  # still full
    assert not list(folder.rglob(".*.tmp"))
    (small_disk / "filler").unlink()
    goes_on(experiment_file, folder, right)


@pytest.mark.requires("mount")
def test_a_disk_that_turns_read_only(experiment_file: Path, small_disk: Path, right: dict[str, str]) -> None:
    folder = small_disk / "sweep"
    sweep = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=1)
    sweep.until_held()
    subprocess.run(["mount", "--bind", str(small_disk), str(small_disk)], check=True)  # a read-only view over the same place
    subprocess.run(["mount", "-o", "remount,bind,ro", str(small_disk)], check=True)
    sweep.go()
    assert sweep.wait() == 1
    assert "Read-only file system" in sweep.text
    assert "Traceback" not in sweep.text
    code, text = run("sweep", experiment_file, "-o", folder, *SLOW)
    assert code == 1
    assert "Read-only" in text
    assert "Traceback" not in text
    assert fr.open_sweep(folder).attrs["missing_runs"] > 0
    subprocess.run(["umount", str(small_disk)], check=True)
    goes_on(experiment_file, folder, right)


@pytest.mark.requires("mount")
def test_a_folder_that_may_not_be_written(experiment_file: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, text = run("sweep", experiment_file, "-o", small_disk / "sweep", *SLOW)
    assert code == 1
    assert "Read-only file system" in text
    assert "Traceback" not in text
    assert list(small_disk.iterdir()) == []


def test_two_sweeps_in_one_folder(experiment_file: Path, folder: Path, right: dict[str, str]) -> None:
    first = Command("sweep", experiment_file, "-o", folder, *SLOW, hold=1)
    first.until_held()
    code, text = run("sweep", experiment_file, "-o", folder, *SLOW)
    assert code == 1
    assert f"another sweep is at work in this folder: process {first.pid} on" in text
    first.go()
    assert first.wait() == 0
    assert contents(folder) == right


def test_a_damaged_part_is_found_by_verify_and_mended(copied: Path, experiment_file: Path, right: dict[str, str]) -> None:
    chunk = copied / "runs.zarr" / "kpi_value" / "c.1.0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 4
    chunk.write_bytes(content)
    code, text = run("verify", copied)
    assert code == 4
    assert "kpi_value/c.1.0: its checksum is another" in text
    code, text = run("sweep", copied, "--engine", "python", "--quiet")
    assert code == 0, text
    assert contents(copied) == right
    assert run("verify", copied)[0] == 0
