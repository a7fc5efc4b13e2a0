"""A sweep from beginning to end: lock the folder, find what is missing, have it worked out, write it down, sum it up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from flowreform import results
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.sweeps import snapshot
from flowreform.sweeps.evaluate import ENGINES, Part, assignments_of, batch_of, choose_engine, drawer_of, unworked
from flowreform.sweeps.finish import finish
from flowreform.sweeps.identity import changed_fields
from flowreform.sweeps.layout import layout_of
from flowreform.sweeps.ledger import UNWORKED, Failed
from flowreform.sweeps.lock import Lock
from flowreform.sweeps.pools import Cluster, DeadWorkers, Pool, Processes, Threads
from flowreform.sweeps.store import OURS, Store, is_sweep, on_disk
from flowreform.sweeps.worker import task_of


class Interrupted(KeyboardInterrupt):
    """A sweep was stopped by a signal; `exit_code` is what the shell sees, `done` of `runs` are safely on disk."""

    def __init__(self, number: int, done: int, runs: int) -> None:
        super().__init__(f"stopped with {done:,} of {runs:,} runs done")
        self.exit_code, self.done, self.runs = 128 + number, done, runs


class Signals:
    """The signals of a stretch of work. Outside the main thread none can be caught, and none is."""

    def __init__(self) -> None:
        self.number = 0
        self.at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.at_once = self.at_once or number == signal.SIGTERM or self.number != 0
        self.number = number


# --- a sweep from beginning to end -----------------------------------------------------------------------------------


POOLS = ("threads", "processes")
MOST_IN_A_ROW = 2
"""Parts whose workers all died, one after the other: with more, the machine is the cause, and the sweep ends."""


@dataclass(frozen=True)
class State:
    """How far a sweep is: runs done of all, failed among them, and how many were there when this session began."""

    done: int
    runs: int
    failed: int
    before: int


Told = Callable[[State], None]


@dataclass(frozen=True)
class Swept:
    """A finished sweep: where it is, and what became of its runs. `computed` is how many this session worked out."""

    folder: Path
    runs: int
    computed: int
    failed: int
    seconds: float
    workers: str
    engine: str
    files: tuple[str, ...]
    failures: tuple[Failed, ...]
    strays: dict[str, tuple[int, int]]

    def __repr__(self) -> str:
        return f"<Swept {self.folder}: {self.runs:,} runs, {self.computed:,} of them now, {self.failed:,} failed>"


def sweep(
    experiment: Subject,
    folder: str | Path,
    *,
    workers: int | None = None,
    pool: str = "threads",
    scheduler: str | None = None,
    engine: str = "auto",
    resume: bool = True,
    progress: Told | None = None,
    told: Callable[[str], None] | None = None,
    command: str = "",
) -> Swept:
    """Run every scenario and draw of an experiment (also a name, a path, or a Model) into a folder that can be killed, moved
    and resumed.

    The same call again works out only what is missing or damaged; with more draws of a random or Sobol design it goes on.
    `workers` threads or processes (`pool`; default: threads, one a processor), or the Dask cluster at `scheduler`. `resume=False`
    refuses a folder that holds a sweep already. `progress` is called with a `State`, `told` with lines worth reading. Results do
    not depend on any of these. Raises ExperimentError where the folder holds another sweep (every difference is named), is in
    use, or cannot be written, ModelError for the model, and Interrupted, a KeyboardInterrupt, when a signal stopped it::

        fr.sweep(fr.read_experiment("va_beds_to_community").with_(draws=8), "out/va", workers=2)
    """
    _check(engine, pool, workers)
    experiment = as_experiment(experiment)
    folder, say = Path(folder), told or _nobody
    started = time.monotonic()
    made = _make(folder)
    lock = Lock(folder)
    with on_disk(folder):
        lock.take()
    try:
        if lock.taken_over:
            say(f"the last sweep here did not end in order ({lock.taken_over}); it is taken up")
        with Signals() as signals:
            store = _open(folder, experiment, engine, resume, command, say)
            try:
                return _Campaign(store, lock, signals, say, progress, started).go(workers, pool, scheduler, engine, command)
            finally:
                store.close()
    finally:
        lock.release()
        for place in reversed(made):
            with suppress(OSError):
                place.rmdir()  # nothing came of it


class _Campaign:
    """The state of one session."""

    def __init__(
        self, store: Store, lock: Lock, signals: Signals, say: Callable[[str], None], progress: Told | None, started: float
    ) -> None:
        self.store, self.lock, self.signals, self.say, self.progress, self.started = store, lock, signals, say, progress, started
        self.computed, self.running, self.engine = 0, 0, ""
        self.counts, self.before, self.said = (0, 0), 0, False
        self.dead: dict[int, DeadWorkers] = {}
        self.in_a_row = 0

    def go(self, workers: int | None, pool: str, scheduler: str | None, engine: str, command: str) -> Swept:
        store, say = self.store, self.say
        todo = store.missing(lambda done, total: self._pause())
        self.counts = store.ledger.counts()
        self.before = self.counts[0]
        name = ""
        if todo:
            if self.before:
                say(f"{self.before:,} of {store.layout.runs:,} runs are there; {len(todo):,} parts are worked out")
            chosen = (
                choose_engine(batch_of(store.experiment, bool(store.layout.columns)), store.layout.runs)
                if engine == "auto"
                else engine
            )
            crew = self._crew(workers, pool, scheduler, chosen)
            name = crew.name
            try:
                with on_disk(store.folder):
                    session = store.ledger.begin(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), command, crew.name)
                try:
                    self._work(crew, deque(todo), session)
                except BaseException as fault:
                    with suppress(Exception):  # the disk may be what failed
                        store.ledger.end(session, type(fault).__name__)
                    raise
                with on_disk(store.folder):
                    store.ledger.end(session, "done")
            finally:
                crew.close()
        with on_disk(store.folder):
            store.require_all()
        files = finish(store, again=bool(todo), pause=self._pause)
        runs, failed = store.ledger.counts()
        strays: dict[str, tuple[int, int]] = {}
        for entry in store.ledger.parts().values():
            for lookup, (count, reads) in entry.strays.items():
                old = strays.get(lookup, (0, 0))
                strays[lookup] = (old[0] + count, old[1] + reads)
        failures = tuple(store.ledger.failures(1000))
        seconds = time.monotonic() - self.started
        return Swept(store.folder, runs, self.computed, failed, seconds, name, self.engine, files, failures, strays)

    def _crew(self, workers: int | None, pool: str, scheduler: str | None, engine: str) -> Pool:
        store = self.store
        count = workers or processors()
        if scheduler is None and pool == "threads":
            return Threads(store.experiment, store.layout, engine, count, self._ran)
        task = task_of(snapshot.snapshot(store.experiment), snapshot.about(store.experiment), store.layout, engine)
        return Processes(task, count, self.say) if scheduler is None else Cluster(scheduler, task, self.say)

    def _work(self, crew: Pool, todo: deque[int], session: int) -> None:
        """Have every part worked out and write it down as it comes; two more than can be worked on are in hand at most."""
        hands = ThreadPoolExecutor(crew.width, thread_name_prefix="flowreform-sweep")
        flying: dict[Future[Part], int] = {}
        try:
            while todo or flying:
                while todo and len(flying) < crew.width + 1 and not self.signals.number:
                    number = todo.popleft()
                    flying[hands.submit(crew.part, number)] = number
                if not flying:
                    break
                done, _ = wait(flying, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: flying[one]):
                    number = flying.pop(future)
                    if not future.cancelled():
                        self._take(number, future, session, crew.width)
                if self.signals.number:
                    self._say_once("finishing the parts in hand; Ctrl-C again leaves them and ends at once")
                    for future in [one for one in flying if one.cancel()]:
                        del flying[future]
                if self.signals.at_once:
                    break
                self._tell()
                self.lock.touch()
            self._pause()
            self._give_up(session)
        except BaseException:
            crew.abandon()
            raise
        finally:
            hands.shutdown(wait=True, cancel_futures=True)

    def _take(self, number: int, future: Future[Part], session: int, width: int) -> None:
        """A part that has come, or that nobody could work out. Parts that die one after the other are not to blame themselves."""
        try:
            part = future.result()
        except DeadWorkers as fault:
            self.dead[number] = fault
            self.in_a_row += 1
            if self.in_a_row > max(MOST_IN_A_ROW, width):
                raise
            self.say(f"{fault.findings[0].reason}; the sweep goes on without it")
            return
        self.in_a_row = 0
        self._write(part, session)

    def _give_up(self, session: int) -> None:
        """Mark the runs of parts that killed every worker as failed, where others could be worked out."""
        if self.dead and not self.store.ledger.counts()[0]:
            raise next(iter(self.dead.values()))
        for number in sorted(self.dead):
            self._write(unworked(self.store.experiment, self.store.layout, number), session)

    def _say_once(self, line: str) -> None:
        if not self.said and not self.signals.at_once:
            self.said = True
            self.say(line)

    def _pause(self) -> None:
        """Go, if a signal has come."""
        if self.signals.number:
            raise Interrupted(self.signals.number, self.store.ledger.counts()[0], self.store.layout.runs)

    def _write(self, part: Part, session: int) -> None:
        if changes := changed_fields(str(self.store.folder), self.store.ledger.get("machine"), part.machine):
            raise ExperimentError(changes)
        self.store.write(part, session)
        self.engine = part.engine if part.engine != UNWORKED else self.engine
        self.computed += part.runs
        self.running = max(0, self.running - part.runs)
        self.counts = self.store.ledger.counts()

    def _ran(self, runs: int) -> None:
        self.running += runs  # from several threads: a bar may be off by a block for a moment

    def _tell(self) -> None:
        if self.progress is not None:
            done = min(self.counts[0] + self.running, self.store.layout.runs)
            self.progress(State(done, self.store.layout.runs, self.counts[1], self.before))


def _open(folder: Path, experiment: Experiment, engine: str, resume: bool, command: str, say: Callable[[str], None]) -> Store:
    """The sweep in the folder, or a new one."""
    if is_sweep(folder) and not resume:
        reason = "this folder holds a sweep already"
        raise ExperimentError(
            error(
                "sweep-exists", reason, "leave out --no-resume to go on with it, or choose another folder (-o)", file=str(folder)
            )
        )
    drawer_of(experiment)
    store = Store.resume(folder, experiment)
    if store is not None:
        if store.other_words:
            say("labels, sources or comments have changed since this sweep was begun, no number has: the folder has the new ones")
        return store
    if not is_sweep(folder):
        taken = [name for name in OURS if (folder / name).exists()]
        if taken:
            reason = f"{', '.join(taken)} stands here already, and is not of a sweep"
            raise ExperimentError(error("sweep-exists", reason, "choose another folder (-o)", file=str(folder)))
    layout = layout_of(experiment, assignments_of(batch_of(experiment, False)))
    chosen = choose_engine(batch_of(experiment, bool(layout.columns)), layout.runs) if engine == "auto" else engine
    return Store.create(folder, experiment, layout, results.provenance(experiment, engine=chosen, command=command))


def _make(folder: Path) -> list[Path]:
    """Make the folder; those that were missing, outermost first."""
    made: list[Path] = []
    try:
        for place in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
            place.mkdir(exist_ok=True)
            made.append(place)
        if not folder.is_dir():
            raise NotADirectoryError(0, "this is a file, not a folder")
    except OSError as fault:
        for place in reversed(made):
            with suppress(OSError):
                place.rmdir()
        reason = f"cannot write there: {fault.strerror or fault}"
        raise ExperimentError(error("cannot-write", reason, "choose another place with -o", file=str(folder))) from fault
    return made


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(engine: str, pool: str, workers: int | None) -> None:
    faults = []
    if engine not in ENGINES:
        repair = f"one of {', '.join(ENGINES)}: a sweep compares runs bit by bit, and other engines round differently"
        faults.append(error("unknown-engine", f"there is no engine {engine} for sweeps", repair))
    if pool not in POOLS:
        faults.append(error("unknown-pool", f"there is no pool {pool}", f"one of {', '.join(POOLS)}"))
    if workers is not None and workers < 1:
        faults.append(error("workers", f"{workers} workers cannot work", "at least 1"))
    if faults:
        raise ExperimentError(faults)


def _nobody(line: str) -> None:
    """Nobody listens."""
