"""What an experiment names of its case: chosen, overridden, or taken as it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowreform.case.tables import Case
from flowreform.errors import did_you_mean
from flowreform.experiment.tables import Origin
from flowreform.names import join, split
from flowreform.toml import Loc, Source


def chosen(wanted: object, known: Iterable[str], own: Iterable[str], key: str, source: Source) -> tuple[str, ...]:
    """The names asked for, in order: those of the case, and those the experiment defines itself."""
    loc: Loc = ("experiment", key)
    every = tuple(dict.fromkeys((*known, *own)))
    if wanted == "all":
        return every
    if not isinstance(wanted, tuple):
        if wanted is not None:
            source.fault("schema", loc, '"all" or a list of names is needed', "")
        return tuple(own)
    found: list[str] = []
    for at, text in enumerate(wanted):
        name = text if text in every else canonical_name(text)
        if name not in every:
            hint = did_you_mean(name, every) or f"known are {', '.join(every) or 'none'}"
            source.fault(f"unknown-{key}", (*loc, at), "there is no such name", hint, element=text)
        elif name in found:
            source.fault("duplicate", (*loc, at), "it is named twice", "name it once", element=text)
        else:
            found.append(name)
    return tuple(found)


def canonical_name(text: str) -> str:
    """The one spelling of a name with its elements."""
    return join(*split(text))


def overrides_of(source: Source, key: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for text, raw in source.table(key).items():
        name = canonical_name(text)
        if not isinstance(raw, dict):
            source.fault("schema", (key, text), "a table is needed here", f"write [{key}.{text}]")
        elif name in found:
            source.fault("duplicate", (key, text), f"it stands here already, spelt {found[name][0]}", "keep one")
        else:
            found[name] = (text, raw)
    return found


def case_table(case: Case | None, key: str, name: str) -> Mapping[str, Any] | None:
    """A table of the case file as written, by canonical name: what an override changes keeps its unit and its words."""
    tables = case.document.table.get(key, {}) if case and case.document else {}
    return next((raw for text, raw in tables.items() if text == name or canonical_name(text) == name), None)


def case_origin(case: Case | None, key: str, name: str) -> Origin:
    document = case.document if case else None
    for (table, *rest), line in document.lines.items() if document else ():
        if table == key and len(rest) == 1 and (rest[0] == name or canonical_name(str(rest[0])) == name):
            return Origin(document.file if document else "", line)
    return Origin(case.file if case else "", 0)
