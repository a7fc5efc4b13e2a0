"""A Dask cluster of one machine: the commands of the how-to as they stand there, and a worker that dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from conftest import ROOT
from sweep.commands import Command, run
from sweep.folders import contents


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def environment() -> dict[str, str]:
    """The commands of this Python before any other, and this project's source."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}


def test_the_commands_of_the_how_to(experiment_file: Path, right: dict[str, str], tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how_to_sweep.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- commands: cluster -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found is not None
    script = found[1].replace("8786", str(free_port()))
    assert script.count("care_shift_build_or_close_first --draws 20000") == 1
    script = script.replace("care_shift_build_or_close_first --draws 20000", f"{experiment_file} --engine python --quiet")
    done = subprocess.run(
        ["bash", "-m", "-c", f"{script}wait"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert contents(tmp_path / "out" / "care") == right, done.stdout + done.stderr


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended, with all below it, when the test is over."""
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler" if words[0] == "scheduler" else "distributed.cli.dask_worker",
    ]
    made = subprocess.Popen([*command, *map(str, words[1:])], env=environment(), stderr=subprocess.DEVNULL)
    try:
        yield made
    finally:
        below = psutil.Process(made.pid).children(recursive=True) if made.poll() is None else []
        for process in (*below, made):
            process.kill()
        made.wait()


def test_a_worker_that_dies(experiment_file: Path, right: dict[str, str], tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    with (
        started("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        started("worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", tmp_path) as first,
        started("worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", tmp_path),
    ):
        wait_for_workers(address, 2)
        sweep = Command(
            "sweep", experiment_file, "-o", tmp_path / "sweep", "--engine", "python", "--quiet", "--scheduler", address, hold=1
        )
        sweep.until_held()
        first.send_signal(signal.SIGKILL)
        sweep.go()
        assert sweep.wait() == 0, sweep.text
    assert contents(tmp_path / "sweep") == right


def wait_for_workers(address: str, count: int) -> None:
    import distributed

    deadline = time.monotonic() + 90
    while True:
        try:
            with distributed.Client(address, timeout=5, set_as_default=False) as client:
                client.wait_for_workers(count, timeout=60)
            return
        except (OSError, TimeoutError):
            assert time.monotonic() < deadline


def test_no_scheduler_is_one_line(experiment_file: Path, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    code, text = run("sweep", experiment_file, "-o", tmp_path / "sweep", "--engine", "python", "--scheduler", address)
    assert code == 1
    assert "there is no Dask scheduler at" in text
    assert "Traceback" not in text
    assert len([line for line in text.splitlines() if "error:" in line]) == 1


def test_a_scheduler_that_goes_away_ends_the_sweep_in_one_line(
    experiment_file: Path, right: dict[str, str], tmp_path: Path
) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    where = ("--no-dashboard", "--local-directory", tmp_path)
    with (
        started("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard") as scheduler,
        started("worker", address, "--nthreads", 1, "--no-nanny", *where),
    ):
        wait_for_workers(address, 1)
        options = ("--engine", "python", "--quiet", "--scheduler", address)
        sweep = Command("sweep", experiment_file, "-o", tmp_path / "sweep", *options, hold=1)
        sweep.until_held()
        scheduler.send_signal(signal.SIGKILL)
        sweep.go()
        assert sweep.wait() == 1, sweep.text
    assert "the Dask cluster has gone away" in sweep.text
    assert run("sweep", experiment_file, "-o", tmp_path / "sweep", "--engine", "python", "--quiet")[0] == 0
    assert contents(tmp_path / "sweep") == right
