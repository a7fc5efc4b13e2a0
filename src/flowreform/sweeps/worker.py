"""A worker: a process of its own, or a task on a Dask cluster, that works out parts and sends them back as bytes.

Run as `python -m flowreform.sweeps.worker` it reads a task and then numbers of parts from standard input. It lives as long as
that is open: when whoever started it dies, however that happens, it ends too.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from flowreform.errors import FlowreformError
from flowreform.sweeps.evaluate import Evaluator
from flowreform.sweeps.layout import Layout
from flowreform.sweeps.snapshot import Files, restore


def task_of(files: Files, names: Mapping[str, Any], layout: Layout, engine: str) -> bytes:
    """Everything another process needs, as bytes: the experiment as files, and how its runs are laid out."""
    table = {
        "files": {path: content.decode("utf-8", "surrogateescape") for path, content in files.items()},
        "names": dict(names),
        "layout": layout.as_table(),
        "engine": engine,
    }
    return json.dumps(table).encode("utf-8", "surrogateescape")


def evaluator_of(task: bytes) -> Evaluator:
    """What `task_of` describes, made ready."""
    table = json.loads(task.decode("utf-8", "surrogateescape"))
    files = {path: text.encode("utf-8", "surrogateescape") for path, text in table["files"].items()}
    return Evaluator(restore(files, table["names"]), Layout.from_table(table["layout"]), table["engine"])


@functools.lru_cache(maxsize=2)
def prepared(task: bytes) -> Evaluator:
    """The evaluator of a task, made once in each process."""
    return evaluator_of(task)


def work(task: bytes, number: int) -> bytes:
    """A part as bytes: `p` and the part, `u` and the user's faults, or `f` and a fault of ours."""
    try:
        return b"p" + prepared(task).part(number).pack()
    except MemoryError as fault:
        reason = f"there is not enough memory for part {number} ({fault or 'the limit is reached'})"
        repair = "use fewer workers, keep fewer variables or quantiles, or set draws_per_part lower in [sweep]"
        return b"u" + json.dumps([{"rule": "memory", "reason": reason, "repair": repair}]).encode()
    except FlowreformError as fault:
        keys = ("rule", "reason", "repair", "file", "line", "element", "column")
        return b"u" + json.dumps([{key: getattr(finding, key) for key in keys} for finding in fault.findings]).encode()
    except Exception as fault:  # noqa: BLE001 - it must reach whoever asked, as text
        return b"f" + json.dumps(f"{type(fault).__name__}: {fault}").encode()


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    reader = sys.stdin.buffer
    writer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not get between the parts
    task = reader.read(int.from_bytes(reader.read(8), "little"))
    while len(number := reader.read(8)) == 8:
        packed = work(task, int.from_bytes(number, "little"))
        try:
            writer.write(len(packed).to_bytes(8, "little") + packed)
            writer.flush()
        except BrokenPipeError:
            os._exit(0)


if __name__ == "__main__":
    main()
