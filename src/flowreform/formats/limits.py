"""How large a model file may be before it is refused, and how a user raises each limit.

A limit is there so that a damaged or hostile file gives one line and not a machine out of memory. Every message that a
limit causes names the environment variable that raises it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from flowreform.errors import Finding, ModelError, error
from flowreform.text import as_whole

_PREFIX = "FLOWREFORM_MAX_"


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest a file may be: bytes, XML elements and how deep they stand inside one another, characters of one equation,
    levels of brackets or operators in it, variables, elements of one array (and points of one lookup), steps of a run,
    characters of a name."""

    file_bytes: int = 50_000_000
    xml_elements: int = 1_000_000
    xml_depth: int = 200
    equation_characters: int = 200_000
    nesting: int = 400
    variables: int = 100_000
    elements: int = 1_000_000
    steps: int = 10_000_000
    name_characters: int = 1_000


DEFAULT = Limits()


def from_environment(environment: Mapping[str, str] | None = None) -> Limits:
    """The limits, with those the user has set by `FLOWREFORM_MAX_FILE_BYTES`, `FLOWREFORM_MAX_STEPS` and so on.

    Raises ModelError, with one finding for each setting that is not a whole number above zero."""
    settings = os.environ if environment is None else environment
    values: dict[str, int] = {}
    faults: list[Finding] = []
    for field in fields(Limits):
        text = settings.get(_variable(field.name), "").strip()
        if not text:
            continue
        value = as_whole(text) or 0
        if 0 < value < 10**18:
            values[field.name] = value
        else:
            repair = f"write a whole number, as in {_variable(field.name)}={getattr(DEFAULT, field.name)}, or unset it"
            faults.append(error("limit-setting", f'"{text}" is not a limit', repair, element=_variable(field.name)))
    if faults:
        raise ModelError(faults)
    return Limits(**values)


def how_to_raise(name: str) -> str:
    """The repair that goes with a limit's message."""
    return f"raise the limit with the environment variable {_variable(name)} if this is meant"


def _variable(name: str) -> str:
    return _PREFIX + name.upper()
