"""Model files: which reader reads which, and the models and experiments that come with the package."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from flowreform.errors import ModelError, did_you_mean, error
from flowreform.model import Model

Kind = Literal["models", "experiments"]

XMILE_SUFFIXES = (".xmile", ".stmx", ".itmx", ".xml")
VENSIM_SUFFIXES = (".mdl",)


def read_model(name_or_path: str | Path) -> Model:
    """The model of a bundled name (a bare word) or in a file (anything with a separator or a suffix).

    Reads .xmile, .stmx, .itmx and .xml as XMILE and .mdl as Vensim. Raises ModelError, with every fault found, when there
    is no such model or its file cannot be used::

        model = fr.read_model("care_shift")
        model["staffed_beds"]  # its manual: equation, unit, range, causes, uses
        model.parameters  # a table of everything a lever may set
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and is_bare(text):
        path = bundled("models").get(text)
        if path is None:
            raise _no_such_model(text)
        return replace(_reader(path)(path), name=text)
    path = Path(text)
    _require_file(path)
    return _reader(path)(path)


def is_bare(text: str) -> bool:
    """Whether a text is a bare word, the name of something bundled, and not a path."""
    return bool(text) and not any(mark in text for mark in "/\\.:")


def bundled(kind: Kind) -> dict[str, Path]:
    """The models or experiments that come with the package, by name: those installed with it, else those of a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / kind, package.parent.parent / kind):
        if folder.is_dir():
            if kind == "models":
                return {path.parent.name: path for path in sorted(folder.glob("*/model.xmile"))}
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}


def is_bundled(path: Path) -> bool:
    """Whether a file is one of those that come with the package."""
    return path.resolve() in {known.resolve() for known in bundled("models").values()}


def _reader(path: Path) -> Callable[[Path], Model]:
    suffix = path.suffix.lower()
    if suffix in XMILE_SUFFIXES:
        from flowreform.formats.xmile import read_xmile

        return read_xmile
    if suffix in VENSIM_SUFFIXES:
        from flowreform.formats.vensim import read_vensim

        return read_vensim
    known = ", ".join((*XMILE_SUFFIXES, *VENSIM_SUFFIXES))
    reason = f'a file ending in "{suffix}" is not a model that can be read' if suffix else "the file's name has no ending"
    raise ModelError(error("unknown-format", reason, f"read a file that ends in {known}", file=str(path)))


def _require_file(path: Path) -> None:
    """Say in one line that a file is missing or a folder."""
    try:
        if path.is_file():
            return
        if path.is_dir():
            inside = next((item for item in (path / "model.xmile", *sorted(path.glob("*.xmile"))) if item.is_file()), None)
            repair = f"write {inside}" if inside else "write the path of a model file"
            raise ModelError(error("not-a-file", "this is a folder, not a model file", repair, file=str(path)))
        exists = path.exists()
        beside = [item.name for item in path.parent.iterdir() if item.is_file()] if path.parent.is_dir() else []
    except (OSError, ValueError) as fault:  # a name too long or with a null character, a folder that may not be read
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ModelError(error("cannot-read", f"cannot read the file: {reason}", "check the path", file=str(path))) from fault
    if exists:
        raise ModelError(error("not-a-file", "this is not an ordinary file", "write the path of a model file", file=str(path)))
    hint = did_you_mean(path.name, beside) or did_you_mean(path.stem, bundled("models")) or "check the path"
    raise ModelError(error("missing-file", "there is no such file", hint, file=str(path)))


def _no_such_model(name: str) -> ModelError:
    known = bundled("models")
    here = next((f"{name}{suffix}" for suffix in (*XMILE_SUFFIXES, *VENSIM_SUFFIXES) if Path(f"{name}{suffix}").is_file()), None)
    hint = f"for the file write {here}" if here else did_you_mean(name, known)
    repair = hint or (f"bundled are {', '.join(known)}" if known else "write the path of a model file")
    return ModelError(error("unknown-model", "no bundled model has this name", repair, element=name))
