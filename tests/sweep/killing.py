"""Kill a sweep at each of its steps, kill the resume at another, let the next one finish, and compare.

Run as `python killing.py EXPERIMENT WORK RIGHT EVERY`: prints how many kills there were and the steps after which it came out
wrong, as JSON. Each sweep is a forked process that ends itself with SIGKILL at its n-th call of `fsync`, `replace` or SQLite,
before or after it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding  # noqa: F401 - all that a sweep imports on its way, once, before the first fork
import orjson  # noqa: F401
import pyarrow.parquet  # noqa: F401
import tomli_w  # noqa: F401
import xarray  # noqa: F401
import zarr.codecs  # noqa: F401

import flowreform as fr
import flowreform.engine.interpret
from flowreform.experiment import Experiment
from flowreform.sweeps import finish, store  # noqa: F401
from sweep.folders import contents


class Failure(Exception):
    """A sweep that was not killed ended with an error."""


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Whether `work`, in a process of its own, was killed at its step `number`; even ones before the call, odd ones after."""
    child = os.fork()
    if child == 0:
        step = 0

        def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **options: Any) -> Any:
                nonlocal step
                step += 1
                if 2 * step == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                found = call(*args, **options)
                if 2 * step + 1 == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

            return counted

        os.fsync, os.replace = mortal(os.fsync), mortal(os.replace)

        class Mortal(sqlite3.Connection):
            execute = mortal(sqlite3.Connection.execute)

        plain = sqlite3.connect
        sqlite3.connect = lambda *args, **options: plain(*args, **options, factory=Mortal)  # type: ignore[assignment]
        try:
            work()
        except BaseException as fault:  # noqa: BLE001 - a forked test process must not go on as if it were the parent
            print(fault, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.waitstatus_to_exitcode(status):
        raise Failure
    return False


def careless() -> None:
    """A store that gets the order wrong and trusts its ledger: what the test must catch."""
    write_bytes = store.write_bytes

    def write(self: store.Store, part: Any, session: int) -> None:
        later = []
        store.write_bytes = lambda path, content: later.append((path, content))
        plain_write(self, part, session)
        store.write_bytes = write_bytes
        for path, content in later:
            write_bytes(path, content)

    plain_write = store.Store.write
    store.Store.write = write  # type: ignore[method-assign]
    store.Store.damaged = lambda self, told=None: set()  # type: ignore[method-assign]


def main(experiment: Experiment, work: Path, right: dict[str, str], every: int) -> None:
    """Every step in turn, until one is beyond the last."""
    wrong, kills, number = [], 0, 2
    while True:
        folder = work / str(number)

        def again(folder: Path = folder) -> object:
            return fr.sweep(experiment, folder, engine="python", workers=1)

        if not killed_at(number, again):
            break
        kills += 1
        try:
            kills += killed_at(2 + (7 * number) % 90, again)
            killed_at(0, again)
        except Failure:
            wrong.append(number)
        else:
            if contents(folder) != right or list(folder.rglob(".*.tmp")) or (folder / "lock").exists():
                wrong.append(number)
        number += every
    print(json.dumps([kills, wrong]))


if __name__ == "__main__":
    if "careless" in sys.argv[5:]:
        careless()
    main(fr.read_experiment(sys.argv[1]), Path(sys.argv[2]), contents(Path(sys.argv[3])), int(sys.argv[4]))
