"""From the hashes that a result carries to the files it was made from: bundled ones, or files that lie beside it.

A file is taken for what its bytes are, never for a name that a result gives: no text of a result becomes a path.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, experiment_of, read_experiment
from flowreform.files import open_plain
from flowreform.formats import VENSIM_SUFFIXES, XMILE_SUFFIXES, Kind, bundled, read_model
from flowreform.toml import MAX_BYTES

MODELS = (*XMILE_SUFFIXES, *VENSIM_SUFFIXES)
MOST_FILES, DEEPEST = 20_000, 3
"""Files looked at, and levels of folders."""
MOST_MODEL_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What the command that made a result said beside the name: keys over [experiment], and settings for every scenario."""

    options: Mapping[str, Any]
    settings: tuple[str, ...]
    engine: str = "auto"


@dataclass(frozen=True)
class Origin:
    """The experiment that a result was made from, before the command's options; whether its case file is still the same."""

    experiment: Experiment
    told: Told
    same_case: bool


def find_origin(facts: Mapping[str, Any], file: Path) -> Origin:
    """The experiment behind a result with these facts (`results.provenance`), looked for among the bundled ones, and in and
    under the result's folder, the folder above it and the present one.

    Raises ExperimentError where it is not there, or has changed since."""
    model_hash, experiment_hash = str(facts.get("model_sha256") or ""), str(facts.get("experiment_sha256") or "")
    if len(model_hash) != 64:
        reason = "it does not say which model it was made from"
        raise ExperimentError(error("no-origin", reason, "give a file that flowreform wrote", file=str(file)))
    if experiment_hash:
        path = _wanted(experiment_hash, str(facts.get("experiment", "")), "experiments", file, (".toml",), MAX_BYTES)
        found = read_experiment(path)
    else:
        path = _wanted(model_hash, str(facts.get("model", "")), "models", file, MODELS, MOST_MODEL_BYTES)
        found = experiment_of(read_model(path))
    if found.model.sha256 != model_hash:
        raise ExperimentError(_changed("model", found.model.name, model_hash, found.model.sha256, file))
    case_hash = str(facts.get("case_sha256") or "")
    return Origin(found, told(str(facts.get("command", ""))), (found.case.sha256 if found.case else "") == case_hash)


def _wanted(digest: str, name: str, kind: Kind, file: Path, suffixes: Sequence[str], most: int) -> Path:
    """The file with these bytes. A file of the same name and other bytes is named in the message."""
    alike = ""
    seen: set[Path] = set()
    for path in _candidates(kind, file, suffixes):
        if path in seen:
            continue
        seen.add(path)
        try:
            if not path.is_file() or path.stat().st_size > most:
                continue
            with open_plain(path, follow=True) as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError:
            continue
        if found == digest:
            return path
        if name and name in (path.stem, path.parent.name if path.stem == "model" else path.stem):
            alike = alike or found
    word = kind.removesuffix("s")
    if alike:
        raise ExperimentError(_changed(word, name, digest, alike, file))
    reason = f'the {word} "{name}" that it was made from (SHA-256 {digest[:12]}...) is neither bundled nor beside it'
    repair = f"put the {word} file beside it, or go to the folder that holds it"
    raise ExperimentError(error("no-origin", reason, repair, file=str(file)))


def _changed(word: str, name: str, was: str, now: str, file: Path) -> Any:
    reason = f'the {word} "{name}" has changed since: SHA-256 {was[:12]}... then, {now[:12]}... now'
    return error("changed", reason, f"restore that {word}, or export anew", file=str(file))


def _candidates(kind: Kind, file: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    yield from bundled(kind).values()
    seen: set[Path] = set()
    looked = 0
    for base in (file.resolve().parent, file.resolve().parent.parent, Path.cwd()):
        for folder, inner, names in os.walk(base):
            here = Path(folder)
            depth = len(here.relative_to(base).parts)
            inner[:] = sorted(name for name in inner if not name.startswith(".")) if depth < DEEPEST else []
            if here in seen:
                continue
            seen.add(here)
            looked += 1 + len(names)
            if looked > MOST_FILES:
                return
            yield from (here / name for name in sorted(names) if name.lower().endswith(tuple(suffixes)))


def told(command: str) -> Told:
    """What a command line that flowreform wrote down says; nothing of it reaches a shell, and all of it is checked as options
    are."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    options: dict[str, Any] = {}
    settings: list[str] = []
    save: list[str] = []
    engine = "auto"
    for word, value in pairwise(words):
        match word:
            case "--set":
                settings.append(value)
            case "--save":
                save.append(value)
            case "--draws" if value.isascii() and value.isdigit():
                options["draws"] = int(value)
            case "--save-every":
                try:
                    options["save_every"] = float(value)
                except ValueError:
                    continue
            case "--engine" if value in ("auto", "python", "numba", "pysd"):
                engine = value
    if save:
        options["save"] = save
    return Told(options, tuple(settings), engine)
