"""The folder of a sweep: made, found again, checked, added to.

```
DIR/ledger.sqlite     which parts there are, the checksum of every file, which runs failed
DIR/experiment.toml   the experiment as run        DIR/model/   its model and case
DIR/runs.zarr/        everything else: one chunk of each array along `run` for each part
```
A part goes temporary name -> sync -> rename -> sync of the folder -> row of the ledger, so that at any moment a kill leaves
files the ledger knows and, at most, files that it does not know and that are written over.
"""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flowreform import results
from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment import Experiment
from flowreform.files import inside, is_file, no_room, open_plain, write_bytes, write_files
from flowreform.kpi import kpi_attributes
from flowreform.names import split
from flowreform.sweeps import arrays, snapshot
from flowreform.sweeps.arrays import ZARR, damaged
from flowreform.sweeps.evaluate import Part
from flowreform.sweeps.identity import changed_fields, identity_of, machine
from flowreform.sweeps.layout import Layout
from flowreform.sweeps.ledger import FORMAT, File, Ledger, LedgerEntry

LEDGER = "ledger.sqlite"
OURS = (LEDGER, ZARR, snapshot.EXPERIMENT, snapshot.MODEL)


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep, finished or not."""
    return is_file(folder / LEDGER) and not (folder / LEDGER).is_symlink()


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """What a disk does to us, as one line that says what is safe."""
    try:
        yield
    except (OSError, sqlite3.Error) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        if getattr(fault, "errno", None) == errno.ENOSPC or "disk" in reason:  # SQLite calls a full disk a disk I/O error, too
            reason += no_room(folder)
        repair = "finished parts are safe: make room or put the folder back, and run the same command again"
        if not folder.is_dir():
            reason = f"the folder is not there ({reason})"
        raise ExperimentError(error("sweep-disk", f"cannot write there: {reason}", repair, file=str(folder))) from fault


class Store:
    """An open sweep, locked by us. `layout` says what it holds, `ledger` what of it is there."""

    def __init__(self, folder: Path, experiment: Experiment, ledger: Ledger, layout: Layout) -> None:
        self.folder, self.experiment, self.ledger, self.layout = folder, experiment, ledger, layout
        self.arrays = layout.arrays()
        self.other_words = False

    # --- made and found again ---

    @classmethod
    def create(cls, folder: Path, experiment: Experiment, layout: Layout, attributes: dict[str, Any]) -> Store:
        """A new sweep. The ledger comes first and says "ready" last: what a kill leaves in between is written over."""
        files = snapshot.snapshot(experiment)
        with on_disk(folder):
            ledger = Ledger(folder / LEDGER, write=True)
        try:
            store = cls(folder, experiment, ledger, layout)
            with on_disk(folder):
                ledger.set(format=FORMAT, state="making")
                store._put(files)
                ledger.set(
                    identity=identity_of(experiment),
                    machine=machine(),
                    layout=layout.as_table(),
                    names=snapshot.about(experiment),
                    attributes=attributes,
                )
                store.describe()
                ledger.set(state="ready")
        except BaseException:
            ledger.close()
            raise
        return store

    @classmethod
    def resume(cls, folder: Path, experiment: Experiment) -> Store | None:
        """The sweep in a folder, for the same experiment with as many draws or more; None where none was begun.

        Raises ExperimentError that names what has changed."""
        if not is_sweep(folder):
            return None
        with on_disk(folder), _damage(folder):
            ledger = Ledger(folder / LEDGER, write=True)
        try:
            with on_disk(folder), _damage(folder):
                if ledger.get("state") != "ready":
                    ledger.close()
                    return None
                _know_format(ledger, folder)
                before = ledger.table("identity") | ledger.table("machine")
                changes = changed_fields(str(folder), before, identity_of(experiment) | machine())
                layout = _grown(layout_in(ledger), experiment, str(folder), changes)
                if changes:
                    raise ExperimentError(changes)
                try:
                    layout.require_of(experiment)
                except ValueError as fault:  # the identity is this experiment's, and the layout is not
                    raise damaged(folder / LEDGER, str(fault)) from fault
                store = cls(folder, experiment, ledger, layout)
                if layout != layout_in(ledger):
                    ledger.set(layout=layout.as_table(), finished=False)
                    store._put(snapshot.snapshot(experiment))
                store._take_words()
                store.describe()
                store.mend_snapshot()
        except BaseException:
            ledger.close()
            raise
        return store

    def _take_words(self) -> None:
        """Labels, sources and comments as they are now, where they are others: no number depends on them."""
        before = self.ledger.table("attributes")
        now = results.provenance(self.experiment, engine=str(before.get("engine", "")), command=str(before.get("command", "")))
        self.other_words = any(before.get(key) != now.get(key) for key in ("experiment_sha256", "model_sha256", "case_sha256"))
        if self.other_words:
            self._put(snapshot.snapshot(self.experiment))
            self.ledger.set(names=snapshot.about(self.experiment), attributes=now)

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def describe(self) -> None:
        """Metadata and coordinates of the zarr store, rewritten where they are not as they should be."""
        attributes = self.ledger.table("attributes") | {"draws": self.layout.draws}
        described = arrays.describe(self.layout, labels_of(self.experiment, self.layout), attributes)
        self._put({f"{ZARR}/{path}": content for path, content in described.items()})

    def mend_snapshot(self) -> None:
        """The experiment and the model as run, where a file of theirs is damaged or gone."""
        ours = [f for f in self.ledger.files() if f.path == snapshot.EXPERIMENT or f.path.startswith(f"{snapshot.MODEL}/")]
        if any(self.fault_of(file) for file in ours):
            self._put(snapshot.snapshot(self.experiment))

    # --- parts ---

    def write(self, part: Part, session: int) -> None:
        """A part: its files, then its row. Raises ExperimentError where the disk will not have it."""
        files = []
        with on_disk(self.folder):
            for name, content in part.chunks.items():
                path = f"{ZARR}/{arrays.chunk_file(name, self.arrays[name], part.number)}"
                write_bytes(inside(self.folder, path), content)
                files.append(File(path, part.number, len(content), _sha256(content)))
            first_run = part.number * self.layout.draws_per_part * len(self.layout.scenarios)
            entry = LedgerEntry(part.number, part.runs, part.failed, part.strays)
            self.ledger.add(entry, first_run, part.engine, session, files, part.failures)

    def missing(self, told: Callable[[int, int], None] | None = None) -> list[int]:
        """The parts that are not there, too short, damaged, or killed every worker the last time; damaged ones are struck off
        the ledger, the others stay until a better one is there.

        Every file is read: a size and a date say nothing of a flipped bit."""
        with on_disk(self.folder), _damage(self.folder):
            bad = self.damaged(told)
            for number in bad:
                self.ledger.forget(number)
            self._tidy()
            have, again = self.ledger.parts(), self.ledger.unworked()
        wanted = {number: len(self.layout.draws_of(number)) * len(self.layout.scenarios) for number in range(self.layout.parts)}
        return [number for number, runs in wanted.items() if number not in have or number in again or have[number].runs < runs]

    def require_all(self) -> None:
        """Raises ExperimentError when a file has gone or changed its length since it was written."""
        for file in self.ledger.files():
            place = self.folder / file.path
            if file.part is not None and not (place.is_file() and place.stat().st_size == file.size):
                raise damaged(place, "a file was taken away while it was at work")

    def damaged(self, told: Callable[[int, int], None] | None = None) -> set[int]:
        """The parts with a file that is gone or not as it was written."""
        files = [file for file in self.ledger.files() if file.part is not None]
        bad: set[int] = set()
        for at, file in enumerate(files):
            if file.part is not None and file.part not in bad and self.fault_of(file):
                bad.add(file.part)
            if told is not None:
                told(at + 1, len(files))
        return bad

    def fault_of(self, file: File) -> str:
        """What is wrong with a file: gone, another length, other bytes; empty when nothing is."""
        return fault_of(self.folder, file)

    def put_result(self, path: str, content: bytes) -> None:
        """A file of the sweep as a whole that is made from all parts."""
        with on_disk(self.folder):
            self._put({path: content})

    def put_large(self, path: str, writer: Callable[[Path], None]) -> None:
        """The same for a file too large for memory: `writer` gets the temporary name."""
        with on_disk(self.folder):
            if not self.folder.is_dir():
                raise FileNotFoundError("it was taken away")
            place = inside(self.folder, path)
            write_files(place.parent, {place.name: writer})
            self.ledger.put_files([file_of(self.folder, path)])

    def _put(self, files: Mapping[str, bytes]) -> None:
        """Files of the sweep as a whole, those that are not there as they should be, and then their checksums."""
        for path, content in files.items():
            if not self.folder.is_dir():
                raise FileNotFoundError("it was taken away")
            place = inside(self.folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not _holds(place, content):
                write_bytes(place, content)
        self.ledger.put_files([File(path, None, len(content), _sha256(content)) for path, content in files.items()])

    def _tidy(self) -> None:
        """Temporary files that a kill left behind."""
        for name in self.arrays:
            for left in inside(self.folder, f"{ZARR}/{name}/c").parent.glob(".*.tmp"):
                left.unlink(missing_ok=True)


def fault_of(folder: Path, file: File) -> str:
    """What is wrong with a file that the ledger knows: gone, another length, other bytes; empty when nothing is."""
    try:
        with open_plain(inside(folder, file.path)) as handle:
            size = handle.seek(0, 2)
            if size != file.size:
                return f"{size:,} bytes and not {file.size:,}"
            handle.seek(0)
            if hashlib.file_digest(handle, "sha256").hexdigest() != file.sha256:
                return "its checksum is another"
    except FileNotFoundError:
        return "it is gone"
    except OSError as fault:
        return f"it cannot be read: {fault.strerror or fault}"
    return ""


def file_of(folder: Path, path: str) -> File:
    """A file as it stands, for the ledger."""
    with open_plain(inside(folder, path)) as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return File(path, None, handle.seek(0, 2), digest)


def _holds(place: Path, content: bytes) -> bool:
    """Whether a file is there with these bytes."""
    try:
        with open_plain(place) as handle:
            return handle.read(len(content) + 1) == content
    except OSError:
        return False


def layout_in(ledger: Ledger) -> Layout:
    """What the ledger says that the sweep holds. Raises ExperimentError where it cannot be so."""
    try:
        return Layout.from_table(ledger.table("layout"))
    except ValueError as fault:
        raise damaged(ledger.path, str(fault)) from fault


def labels_of(experiment: Experiment, layout: Layout) -> arrays.Labels:
    """The coordinates of the zarr store: names, units and labels."""

    def text(values: list[str]) -> Any:
        return np.array(values, dtype=object)

    model, shown = experiment.model, [kpi_attributes(name, kpi, experiment) for name, kpi in experiment.kpis.items()]
    bases = [model.variables[split(name)[0]] for name in layout.parameters]
    saved = [model.variables[split(name)[0]] for name in layout.columns]
    labels: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
        "scenario": (("scenario",), text(list(layout.scenarios)), {"long_name": "scenario"}),
        "scenario_label": (("scenario",), text([experiment.scenarios[name].label for name in layout.scenarios]), {}),
        "kpi": (("kpi",), text(list(layout.kpis)), {"long_name": "KPI"}),
        "kpi_label": (("kpi",), text([str(item["long_name"]) for item in shown]), {}),
        "kpi_unit": (("kpi",), text([str(item["units"]) for item in shown]), {}),
        "parameter": (("parameter",), text(list(layout.parameters)), {"long_name": "uncertain input"}),
        "parameter_unit": (("parameter",), text([variable.units or "" for variable in bases]), {}),
    }
    if layout.columns:
        labels |= {
            "column": (("column",), text(list(layout.columns)), {"long_name": "saved variable"}),
            "column_unit": (("column",), text([variable.units or "" for variable in saved]), {}),
            "time": (("time",), np.asarray(experiment.times), {"units": model.specs.time_unit, "long_name": "time"}),
        }
    if layout.quantiles:
        labels["quantile"] = (("quantile",), np.array(layout.quantiles), {"long_name": "share of the draws below"})
    return {name: label for name, label in labels.items() if all(label[1].shape)}


def _grown(layout: Layout, experiment: Experiment, folder: str, faults: list[Finding]) -> Layout:
    """The stored layout with as many draws as are wanted now; a fault where that cannot be."""
    wanted = experiment.draws
    if wanted == layout.draws:
        return layout
    have = f"{layout.draws:,} draws were begun and {wanted:,} are wanted"
    if wanted < layout.draws:
        repair = f"ask for {layout.draws:,} draws or more, or sweep into another folder (-o)"
        faults.append(error("sweep-changed", f"{have}: finished runs are not thrown away", repair, file=folder, element="draws"))
    elif experiment.design == "latin_hypercube":
        reason = (
            f"{have}: a Latin hypercube of {layout.draws:,} draws cannot be continued, because it has one draw in each of "
            f"{layout.draws:,} strata, and {wanted:,} draws have other strata"
        )
        repair = 'sweep into another folder (-o); designs "random" and "sobol" can be continued'
        faults.append(error("sweep-changed", reason, repair, file=folder, element="draws"))
    kept = wanted if experiment.sweep.trajectories == "all" else layout.kept_draws
    if isinstance(experiment.sweep.trajectories, int):
        kept = min(experiment.sweep.trajectories, wanted)
    return replace(layout, draws=wanted, kept_draws=kept)


def _know_format(ledger: Ledger, folder: Path) -> None:
    found = ledger.get("format")
    if found != FORMAT:
        reason = f"the sweep was written in form {found}, and this flowreform reads form {FORMAT}"
        raise ExperimentError(error("sweep-format", reason, "use the flowreform that wrote it", file=str(folder)))


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """A ledger that is no database any more."""
    try:
        yield
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):
            raise
        reason = f"the ledger is damaged: {fault}"
        raise ExperimentError(
            error("sweep-ledger", reason, "restore it from a copy, or sweep into another folder", file=str(folder / LEDGER))
        ) from fault


def open_ledger(folder: Path) -> Ledger:
    """The ledger of a finished or unfinished sweep, to read. Raises ExperimentError where there is none."""
    if not is_sweep(folder):
        reason = "there is no sweep here" if folder.is_dir() else "there is no such folder"
        raise ExperimentError(error("no-sweep", reason, "`flowreform sweep EXPERIMENT -o DIR` makes one", file=str(folder)))
    try:
        with _damage(folder):
            ledger = Ledger(folder / LEDGER, write=False)
            if ledger.get("state") != "ready":
                ledger.close()
                reason = "the sweep was not even begun: its making was interrupted"
                raise ExperimentError(error("no-sweep", reason, "run the same `flowreform sweep` again", file=str(folder)))
            _know_format(ledger, folder)
    except (sqlite3.OperationalError, OSError) as fault:
        reason = f"the ledger cannot be read: {getattr(fault, 'strerror', None) or fault}"
        raise ExperimentError(error("sweep-ledger", reason, "restore it from a copy", file=str(folder / LEDGER))) from fault
    return ledger


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
