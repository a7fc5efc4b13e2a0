"""Chains that have not converged yet, on disk: more iterations go on where they ended, with the same numbers as in one go.

One file of arrays, with the hash of everything that they depend on. A file of anything else is refused, and left as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowreform import __version__
from flowreform.analyse.fitting.sampler import Chains, Sampler, Shape
from flowreform.errors import ModelError, error
from flowreform.files import write_file

_SHAPE = ("mean", "directions", "spread", "told", "steps")


def made_from(*parts: Any) -> str:
    """The hash of what chains depend on: whatever has a `repr` that says it whole."""
    return hashlib.sha256(json.dumps([__version__, *map(repr, parts)]).encode()).hexdigest()


def accepted(parts: Sequence[Chains]) -> float:
    """The share of accepted moves over parts of any length."""
    return float(np.average([part.accepted for part in parts], weights=[part.z.shape[2] for part in parts]))


def save(path: Path, sampler: Sampler, parts: Sequence[Chains], stamp: str) -> None:
    """Write chains and the sampler's state, whole or not at all. Raises ExperimentError where they cannot be written."""
    arrays = {
        "made_from": np.array(stamp),
        "z": np.concatenate([part.z for part in parts], axis=2),
        "likelihood": np.concatenate([part.likelihood for part in parts], axis=2),
        "accepted": np.array(accepted(parts)),
        "runs": np.array(sampler.runs),
        "words": np.stack([stream.state for stream in sampler.streams]),
        **{name: np.stack([getattr(shape, name) for shape in sampler.shapes]) for name in _SHAPE},
    }

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    write_file(path, write, size=sum(array.nbytes for array in arrays.values()))


def load(path: Path, sampler: Sampler, stamp: str) -> Chains:
    """The chains of a file, with `sampler` put where they ended. Raises ModelError for any other file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            if str(held["made_from"]) != stamp:
                raise _refused(path, "it holds chains of another model, other data, priors, seed or version")
            found = {name: held[name] for name in ("z", "likelihood", "accepted", "runs", "words", *_SHAPE)}
        chains = Chains(found["z"], found["likelihood"], float(found["accepted"]), int(found["runs"]))
        many, walkers, width = sampler.z.shape
        length = chains.z.shape[2]
        whole = chains.z.shape == (many, walkers, length, width) and chains.likelihood.shape == (many, walkers, length)
        if not length or not whole or not np.isfinite(chains.z).all():
            raise _refused(path, "it is damaged")
        for stream, words in zip(sampler.streams, found["words"], strict=True):
            stream.state = words
        sampler.shapes = [Shape(*(found[name][at] for name in _SHAPE)) for at in range(many)]
    except ModelError:
        raise
    except Exception as fault:  # a damaged archive can make zipfile and numpy say anything
        raise _refused(path, f"it cannot be read as chains ({type(fault).__name__})") from fault
    sampler.go_on(chains)
    return chains


def _refused(path: Path, reason: str) -> ModelError:
    return ModelError(error("chain", reason, "delete it, or keep the chains in another file", file=str(path)))
