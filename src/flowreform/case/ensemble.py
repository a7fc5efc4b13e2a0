"""Draws that have seen the data: `posterior.csv` beside a model, written by `flowreform fit NAME --posterior --write`.

The file is a line `# flowreform posterior`, a line `# ` with one JSON object on how it was made, then comma-separated columns:
`log_likelihood` and a column for each parameter, in the model's units, one row a draw. Rows stand in random order, so any first
of them are a sample too. `made_from` of the object is the fingerprint of everything that the draws depend on; where the files
say something else by now, the draws are refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import Finding, error, shorten
from flowreform.files import read_plain
from flowreform.text import APOSTROPHE, as_number, harmless

Floats = NDArray[np.float64]

NAME = "posterior.csv"
"""The file's name, beside the model's."""
TITLE = "# flowreform posterior"
LIKELIHOOD = "log_likelihood"
DIGITS = 7
"""Significant digits that are kept of a parameter."""
MAX_BYTES = 200_000_000
"""Largest file read, in bytes."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Draws of several parameters together: `values` float64[draw, parameter] in the order of `names`, in the model's units.

    `about` says how they were made; `current` whether the files that they were made from still say the same; `file` where they
    were read from, for draws that an experiment names."""

    names: tuple[str, ...]
    values: Floats
    likelihood: Floats
    about: Mapping[str, Any] = field(default_factory=dict)
    current: bool = True
    file: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ensemble):
            return NotImplemented
        alike = self.digest == other.digest and np.array_equal(self.likelihood, other.likelihood)
        return alike and dict(self.about) == dict(other.about) and self.current == other.current

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Ensemble: {len(self):,} draws of {len(self.names)} parameters>"

    def only(self, names: set[str]) -> Ensemble:
        """The same draws of fewer parameters."""
        kept = [at for at, name in enumerate(self.names) if name in names]
        return replace(self, names=tuple(self.names[at] for at in kept), values=self.values[:, kept])

    def columns(self, places: NDArray[np.int_]) -> dict[str, Floats]:
        """Some draws by parameter, each float64[draw]."""
        return {name: self.values[places, at].copy() for at, name in enumerate(self.names)}

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers: draws of two ensembles are alike when it is."""
        names = json.dumps(self.names).encode()
        return hashlib.sha256(names + np.ascontiguousarray(self.values, dtype="<f8").tobytes()).hexdigest()


def write_text(ensemble: Ensemble) -> str:
    """The file's content."""
    out = io.StringIO(newline="")
    out.write(f"{TITLE}\n# {json.dumps(dict(ensemble.about), ensure_ascii=True)}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([LIKELIHOOD, *map(harmless, ensemble.names)])
    for likelihood, row in zip(ensemble.likelihood, ensemble.values, strict=True):
        writer.writerow([f"{likelihood:.5g}", *(f"{value:.{DIGITS}g}" for value in row)])
    return out.getvalue()


def read_ensemble(path: Path, findings: list[Finding]) -> Ensemble | None:
    """The draws of a file; every fault is added to `findings`, with the file and line."""

    def fault(reason: str, repair: str, line: int = 0) -> None:
        findings.append(error("posterior", reason, repair, file=str(path), line=line))

    again = "delete it, and write it anew with `flowreform fit MODEL --posterior --write`"
    try:
        text = read_plain(path, MAX_BYTES).decode()
    except OSError as failed:
        fault(f"the file cannot be read: {failed.strerror or failed}", again)
        return None
    except UnicodeDecodeError:
        fault("the file is not plain text", again)
        return None
    lines = text.split("\n")
    if lines[0].rstrip("\r") != TITLE or len(lines) < 4 or not lines[1].startswith("# {"):
        fault(f'the file does not begin with "{TITLE}" and a line on how it was made', again, 1)
        return None
    try:
        about = json.loads(lines[1][2:])
    except (ValueError, RecursionError) as failed:
        fault(f"how it was made cannot be read: {failed}", again, 2)
        return None
    reader = csv.reader(lines[2:], strict=True)
    try:
        names = tuple(_name(cell) for cell in next(reader))
        if len(names) < 2 or names[0] != LIKELIHOOD or len(set(names)) < len(names):
            fault(f"the columns are {LIKELIHOOD} and one for each parameter, each once", again, 3)
            return None
        numbers = array("d")
        for row in filter(None, reader):
            if len(row) != len(names):
                fault(f"{len(row)} cells in a row of {len(names)} columns", again, reader.line_num + 2)
                return None
            numbers.extend(map(_number, row))
    except (ValueError, csv.Error) as failed:
        fault(str(failed), again, reader.line_num + 2)
        return None
    if not numbers:
        fault("there is no draw in it", again)
        return None
    table = np.frombuffer(numbers, dtype=np.float64).reshape(-1, len(names))
    return Ensemble(names[1:], table[:, 1:].copy(), table[:, 0].copy(), about)


def misfits(ensemble: Ensemble, priors: Mapping[str, Uncertainty]) -> Iterator[str]:
    """Why draws cannot be what was sampled from these priors: another parameter, one that is missing, a value no prior has."""
    for name in sorted(set(ensemble.names) ^ set(priors)):
        why = "is not among what [fit] samples" if name in ensemble.names else "is sampled, and has no column"
        yield f"{shorten(name)} {why}"
    for name, column in zip(ensemble.names, ensemble.values.T, strict=True):
        if name in priors and not priors[name].kind.endless:
            low, high = priors[name].support
            room = 10.0 ** (1 - DIGITS) * max(abs(low), abs(high))
            if column.min() < low - room or column.max() > high + room:
                yield f"{name} has draws from {column.min():g} to {column.max():g}, outside its prior, {low:g} to {high:g}"


def _name(cell: str) -> str:
    """The name in a cell of the head, without the apostrophe that `harmless` put there."""
    return cell[1:] if cell.startswith(APOSTROPHE) and cell == harmless(cell[1:]) else cell


def _number(cell: str) -> float:
    """A cell as a finite number, written as `write_text` does. Raises ValueError for anything else."""
    if (value := as_number(cell)) is None:
        raise ValueError(f"{shorten(repr(cell), 40)} is no finite number")
    return value
