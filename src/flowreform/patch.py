"""Change a parameter's number in a model file, or its standing in a case file, and leave every other byte where it was.

Numbers are found by their place in the source: the digits inside one `<eqn>`, the text behind one key. Before anything is
written, the patched text is read again and compared with what it was: only what was asked for may differ.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from flowreform.errors import Finding, ModelError, error
from flowreform.files import write_files
from flowreform.model import canonical
from flowreform.names import join, split
from flowreform.text import NUMBER
from flowreform.toml import toml_lines

_NUMBER = re.compile(rf"\s*([-+]?\s*{NUMBER})\s*")
_KEY = r"""(\s*{key}\s*=\s*)(?!\"\"\"|''')("(?:[^"\\]|\\.)*"|'[^']*')(.*)$"""
_ROLES = ("aux", "flow", "stock")
TABLES = ("levers", "uncertainties", "parameters")


@dataclass(frozen=True, slots=True)
class TextPlace:
    """Where an equation's text stands in the bytes of a file, from `start` up to `stop`, and the line it begins on."""

    start: int
    stop: int
    line: int


def patched_model(data: bytes, values: Mapping[str, float], file: str = "") -> bytes:
    """The bytes of an XMILE file with the numbers of some parameters replaced.

    A name may have an element (`beds[losing]`); without one all elements are set. Raises ModelError with every fault: a file
    that is not UTF-8, a name that is not there, an equation that is not one plain number."""
    findings: list[Finding] = []
    try:
        data.decode("utf-8")
        places = _equations(data)
    except (UnicodeDecodeError, expat.ExpatError) as fault:
        raise ModelError(error("patch", f"the file cannot be patched: {fault}", "save it as XML in UTF-8", file=file)) from fault
    edits: dict[TextPlace, bytes] = {}
    for name, value in values.items():
        found = _places(places, name)
        if not found:
            findings.append(
                error("patch", "no equation of this name stands in the file", "check the name", file=file, element=name)
            )
        for place in found:
            written = data[place.start : place.stop].decode()
            match = _NUMBER.fullmatch(written)
            if match is None:
                reason = f'its equation "{written.strip()[:60]}" is not one plain number'
                findings.append(error("patch", reason, "write the number alone", file=file, line=place.line, element=name))
                continue
            edits[TextPlace(place.start + match.start(1), place.start + match.end(1), place.line)] = shown(value).encode()
    if findings:
        raise ModelError(findings)
    for place, replacement in sorted(edits.items(), key=lambda item: -item[0].start):
        data = data[: place.start] + replacement + data[place.stop :]
    return data


def shown(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(float(value)).removesuffix(".0")


def _places(places: Mapping[str, Mapping[tuple[str, ...], TextPlace]], name: str) -> tuple[TextPlace, ...]:
    base, elements = split(name)
    found = places.get(base, {})
    if not elements:
        return tuple(found.values())
    return (found[elements],) if elements in found else ()


def _equations(data: bytes) -> dict[str, dict[tuple[str, ...], TextPlace]]:
    """Every equation of the file's first model by canonical name and subscripts, with the place of its text."""
    found: dict[str, dict[tuple[str, ...], TextPlace]] = {}
    stack: list[str] = []
    names: list[str] = []
    subscripts: list[tuple[str, ...]] = [()]
    begun: list[tuple[int, int]] = []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        stack.append(tag)
        if tag in _ROLES and stack[-2:-1] == ["variables"]:
            names.append(canonical(attributes.get("name", "")))
        elif tag == "element" and "subscript" in attributes:
            subscripts.append(tuple(canonical(part) for part in attributes["subscript"].split(",")))
        elif tag == "eqn":
            opened = parser.CurrentByteIndex
            begun.append((data.index(b">", opened) + 1, parser.CurrentLineNumber))

    def end(tag: str) -> None:
        tag = tag.rpartition(":")[2]
        stack.pop()
        if tag == "eqn" and names and begun:
            first, line = begun.pop()
            found.setdefault(names[-1], {}).setdefault(subscripts[-1], TextPlace(first, parser.CurrentByteIndex, line))
        elif tag == "element" and len(subscripts) > 1:
            subscripts.pop()
        elif tag in _ROLES and stack[-1:] == ["variables"]:
            names.pop()

    def doctype(*_: object) -> None:
        raise expat.ExpatError("a DOCTYPE is not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(data, True)
    return found


# --- the case file ---------------------------------------------------------------------------------------------------


def patched_case(text: str, entries: Mapping[str, Mapping[str, str]], file: str = "") -> str:
    """The text of a case file with some keys of parameters' tables replaced or added: `{"pace": {"status": "fitted"}}`.

    A parameter's table stands in [levers], [uncertainties] or [parameters]; keys are text on one line. Raises ModelError with
    every fault: no such table, a key whose value spans lines."""
    findings: list[Finding] = []
    table, places, lines = tomllib.loads(text), toml_lines(text), text.splitlines(keepends=True)
    edits: list[tuple[int, bool, str]] = []
    for name, keys in entries.items():
        found = _entry(table, name)
        if found is None:
            reason = "the parameter has no table in [levers], [uncertainties] or [parameters]"
            findings.append(error("patch", reason, "add one with source and status", file=file, element=name))
            continue
        where, spelling = found
        for key, value in keys.items():
            at = places.get((where, spelling, key))
            line = f"{key} = {_quoted(value)}\n"
            if at is None:
                edits.append((places[(where, spelling, "status")], False, line))
                continue
            match = re.match(_KEY.format(key=re.escape(key)), lines[at - 1], re.DOTALL)
            if match is None:
                findings.append(error("patch", f"the value of {key} is not text on one line", "write it so", file=file, line=at,
                                      element=name))  # fmt: skip
                continue
            edits.append((at, True, match[1] + _quoted(value) + match[3]))
    if findings:
        raise ModelError(findings)
    for at, replace, line in sorted(edits, key=lambda edit: (-edit[0], edit[1])):
        if replace:
            lines[at - 1] = line
        else:
            ending = "\r\n" if lines[at - 1].endswith("\r\n") else "\n"
            lines.insert(at, line.replace("\n", ending))
    after = "".join(lines)
    wanted = tomllib.loads(text)
    for name, keys in entries.items():
        found = _entry(wanted, name)
        assert found is not None
        wanted[found[0]][found[1]].update(keys)
    if tomllib.loads(after) != wanted:
        raise ModelError(error("patch", "patching would change other keys as well", "change status and note by hand", file=file))
    return after


def _entry(table: Mapping[str, object], name: str) -> tuple[str, str] | None:
    """The table and the spelling under which a parameter, or the array it is an element of, has its entry."""
    wanted = {join(*split(name)), split(name)[0]}
    for where in TABLES:
        inside = table.get(where)
        for spelling in inside if isinstance(inside, dict) else ():
            if join(*split(spelling)) in wanted:
                return where, spelling
    return None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(ch if ch.isprintable() else " " for ch in escaped) + '"'


# --- writing ---------------------------------------------------------------------------------------------------------


def write_patches(model_path: Path, values: Mapping[str, float], case_entries: Mapping[str, Mapping[str, str]]) -> None:
    """Patch a model file and the case file beside it, both or neither.

    Raises ModelError where either cannot be patched, or where the patched text reads as more than was asked for;
    ExperimentError where the folder cannot be written to."""
    case_path = model_path.with_suffix(".toml")
    model_before, case_before = model_path.read_bytes(), case_path.read_bytes()
    model_after = patched_model(model_before, values, str(model_path))
    case_after = patched_case(case_before.decode("utf-8"), case_entries, str(case_path)).encode()
    _same_otherwise(model_before, model_after, model_path, values)
    writers = {model_path.name: lambda path: _put(path, model_after), case_path.name: lambda path: _put(path, case_after)}
    write_files(model_path.parent, writers)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _same_otherwise(before: bytes, after: bytes, path: Path, values: Mapping[str, float]) -> None:
    """Every equation but those asked for stands as it stood."""
    old, new = _equations(before), _equations(after)
    wanted = {place.start for name in values for place in _places(old, name)}
    for name, equations in old.items():
        for subscripts, place in equations.items():
            then = new[name][subscripts]
            if place.start not in wanted and before[place.start : place.stop] != after[then.start : then.stop]:
                raise ModelError(
                    error("patch", "patching would change this as well", "report this", file=str(path), element=name)
                )
