"""Who works the parts out: threads of this process, processes of this machine, or a Dask cluster.

All of them answer one call, `part(number)`, and may be asked for several parts at once; what they give is equal to the last bit.
A worker that dies has its part worked out again, `RETRIES` times at most; then `part` raises DeadWorkers.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from flowreform import processes
from flowreform.errors import ExperimentError, FlowreformError, InternalError, error
from flowreform.experiment import Experiment
from flowreform.sweeps.evaluate import Evaluator, Part
from flowreform.sweeps.layout import Layout
from flowreform.sweeps.worker import work

RETRIES = 3
"""How often a part is worked out again after its worker has died."""


class Abandoned(Exception):
    """A part was given up because the sweep is to stop at once."""


class Pool(Protocol):
    """What works parts out. `part` blocks and may be called from `width` threads at once."""

    width: int
    name: str

    def part(self, number: int) -> Part:
        """The part of that number."""

    def abandon(self) -> None:
        """Give up whatever is being worked out, at once."""

    def close(self) -> None:
        """Let everybody go."""


class Threads:
    """Threads of this process: the compiled kernel lets go of the interpreter's lock."""

    def __init__(self, experiment: Experiment, layout: Layout, engine: str, workers: int, done: Callable[[int], None]) -> None:
        self.width, self.name = workers, f"{workers} thread{'s' * (workers > 1)}"
        self._evaluator = Evaluator(experiment, layout, engine)
        self._done, self._over = done, threading.Event()

    def part(self, number: int) -> Part:
        return self._evaluator.part(number, self._check)

    def _check(self, runs: int) -> None:
        if self._over.is_set():
            raise Abandoned
        self._done(runs)

    def abandon(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._over.set()


class Processes:
    """Processes of this machine, each with its own copy of everything; one that dies is replaced."""

    def __init__(self, task: bytes, workers: int, told: Callable[[str], None]) -> None:
        self.width, self.name = workers, f"{workers} process{'es' * (workers > 1)}"
        self._task, self._told = task, told
        self._idle: SimpleQueue[_Child] = SimpleQueue()
        self._all: set[_Child] = set()
        self._lock, self._over = threading.Lock(), False

    def part(self, number: int) -> Part:
        for attempt in range(1 + RETRIES):
            child = self._take()
            packed = child.ask(number)
            if packed is not None:
                self._idle.put(child)
                return _answer(packed)
            self._drop(child)
            if self._over:
                raise Abandoned
            if attempt < RETRIES:
                self._told(f"process {child.pid} died while it worked on part {number}; the part is run again")
        raise _dead(number)

    def _take(self) -> _Child:
        try:
            return self._idle.get_nowait()
        except Empty:
            pass
        with self._lock:
            if self._over:
                raise Abandoned
            child = _Child(self._task)
            self._all.add(child)
        return child

    def _drop(self, child: _Child) -> None:
        with self._lock:
            self._all.discard(child)
        child.kill()

    def abandon(self) -> None:
        with self._lock:
            self._over = True
            for child in self._all:
                child.kill()

    def close(self) -> None:
        self.abandon()


class _Child:
    """A process that works out one part after the other: numbers go in by its standard input, parts come out."""

    def __init__(self, task: bytes) -> None:
        away: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        beside = processes.of_module("flowreform.sweeps.worker")
        self._process = subprocess.Popen(**beside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **away)
        self.pid = self._process.pid
        self._sent = self._send(len(task).to_bytes(8, "little") + task)

    def ask(self, number: int) -> bytes | None:
        """The packed answer for a part; None when the process has died."""
        if not self._sent or not self._send(number.to_bytes(8, "little")):
            return None
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            head = self._process.stdout.read(8)
            if len(head) == 8:
                size = int.from_bytes(head, "little")
                packed = self._process.stdout.read(size)
                return packed if len(packed) == size else None
        return None

    def _send(self, content: bytes) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def kill(self) -> None:
        """End it, and wait until it has ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class Cluster:
    """Workers of a Dask cluster; the cluster itself gives the part of a dead worker to another one."""

    def __init__(self, address: str, task: bytes, told: Callable[[str], None]) -> None:
        try:
            import distributed
        except ImportError:
            repair = "pip install 'flowreform[distributed]'"
            raise ExperimentError(
                error("no-distributed", "Dask is not installed here", repair, file="command line", element="--scheduler")
            ) from None
        except ValueError as fault:  # a file of settings that is no YAML
            raise ExperimentError(
                error(
                    "dask-settings",
                    str(fault),
                    "correct the file, or unset DASK_CONFIG",
                    file="command line",
                    element="--scheduler",
                )
            ) from fault
        try:
            client: Any = distributed.Client
            self._client = client(address, timeout=5, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as fault:
            reason = f"there is no Dask scheduler at {address}: {fault or 'it does not answer'}"
            raise ExperimentError(
                error("no-scheduler", reason, "start one with `dask scheduler`", file="command line", element="--scheduler")
            ) from fault
        threads = sum(self._client.nthreads().values())
        if not threads:
            self._client.close()
            repair = f"start some with `dask worker {address}`"
            raise ExperimentError(
                error(
                    "no-workers", f"the scheduler at {address} has no workers", repair, file="command line", element="--scheduler"
                )
            )
        self.width, self.name = threads, f"Dask, {threads} worker thread{'s' * (threads > 1)}"
        self._told, self._over, self._sent = told, False, threading.Lock()
        self._task, self._copy = task, self._client.scatter(task, broadcast=True, hash=False)
        self._running: set[Any] = set()

    def part(self, number: int) -> Part:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        for attempt in range(1 + RETRIES):
            copy = self._copy
            try:
                return _answer(self._work(copy, number))
            except KilledWorker:
                raise _dead(number) from None
            except CancelledError:
                # What was sent to all workers can be lost with one of them; the scheduler then gives up whatever needs it.
                if self._over:
                    raise Abandoned from None
                if attempt == RETRIES or not self._send_again(copy):
                    break
        raise ExperimentError(error("lost-cluster", "the Dask cluster has gone away", "start it again, and the same sweep again"))

    def _work(self, copy: Any, number: int) -> bytes:
        future = self._client.submit(work, copy, number, pure=False)
        self._running.add(future)
        try:
            packed: bytes = future.result()
        finally:
            self._running.discard(future)
        return packed

    def _send_again(self, lost: Any) -> bool:
        """Send the task to all workers once more, unless another thread has; False when nobody is there to take it."""
        with self._sent:
            if self._copy is lost:
                try:
                    self._copy = self._client.scatter(self._task, broadcast=True, hash=False, timeout=10)
                except Exception:  # noqa: BLE001 - whatever a cluster that is going away answers
                    return False
        return True

    def abandon(self) -> None:
        self._over = True
        with suppress(Exception):  # the cluster may be gone, and we are leaving
            self._client.cancel(list(self._running), force=True)

    def close(self) -> None:
        with suppress(Exception):
            self._client.close(timeout=5)


def _answer(packed: bytes) -> Part:
    """A part, or the fault that came in its place."""
    kind, body = packed[:1], packed[1:]
    if kind == b"p":
        return Part.unpack(body)
    table = json.loads(body)
    if kind == b"u":
        raise FlowreformError([error(**finding) for finding in table])
    raise InternalError(f"in a worker: {table}")


class DeadWorkers(ExperimentError):
    """Every worker that a part was given to has died."""


def _dead(number: int) -> DeadWorkers:
    reason = f"part {number} was given to {1 + RETRIES} workers and each of them died"
    repair = "look for what ends them (memory, most often), and run the same command again: finished parts are safe"
    return DeadWorkers(error("dead-workers", reason, repair))
