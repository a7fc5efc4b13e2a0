"""TOML at the edge: one file becomes a `Document` (values and the line of every key), faults become findings.

The standard library parses; `toml_lines` finds where each key stands, which the standard library does not tell. A `Source`
is such a file while it is read: it turns tables into frozen pydantic models and every fault into a `Finding` with file and
line, so that a reader can go on and report all faults of a file at once.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from flowreform.errors import ExperimentError, Finding, Level, ModelError, did_you_mean, error, shorten
from flowreform.files import read_plain

Loc = tuple[str | int, ...]
"""Where something stands in a TOML file: keys, and counts from 0 within arrays."""

MAX_BYTES = 5_000_000
"""Largest file read, in bytes: a case or experiment file is a few thousand."""


class Table(BaseModel):
    """The base of every table: frozen, no unknown keys, no guessing between types, docstrings are the documentation."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, populate_by_name=True, allow_inf_nan=False, defer_build=True
    )


def one_of(known: Collection[str]) -> Callable[[str], str]:
    """A validator that takes the names in a table alone, and refuses others as pydantic does those of a `Literal`."""

    def check(name: str) -> str:
        if name not in known:
            raise PydanticCustomError("literal_error", "unknown name", {"expected": ", ".join(f"'{item}'" for item in known)})
        return name

    return check


T = TypeVar("T", bound=Table)


@dataclass(frozen=True)
class Document:
    """A TOML file as read: its values, the line of each key (from 1), and the hash of its bytes."""

    file: str
    table: Mapping[str, Any]
    lines: Mapping[Loc, int] = field(repr=False)
    sha256: str = ""

    def line(self, loc: Loc) -> int:
        """The line of a key, or of the closest thing around it that has one; 0 when there is none."""
        for end in range(len(loc), 0, -1):
            if (line := self.lines.get(loc[:end])) is not None:
                return line
        return 0

    def fault(self, rule: str, loc: Loc, reason: str, repair: str = "", element: str | None = None) -> Finding:
        """An error at a key of this file; `element` is the dotted key unless given."""
        return error(
            rule, reason, repair, file=self.file, line=self.line(loc), element=dotted(loc) if element is None else element
        )


def dotted(loc: Loc) -> str:
    """`targets.acute_beds.checks[0].year`: a place in the words of the file."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path, kind: type[ModelError] | type[ExperimentError]) -> Document:
    """The file as a `Document`.

    Raises `kind` with one finding, with line and column where there is one, when the file cannot be read, is larger than
    5 MB, is not UTF-8 text or is not TOML.
    """
    file = str(path)

    def fail(rule: str, reason: str, repair: str, line: int = 0, column: int = 0) -> ModelError | ExperimentError:
        return kind(error(rule, reason, repair, file=file, line=line, column=column))

    try:
        if path.stat().st_size > MAX_BYTES:
            raise fail(
                "toml-size",
                f"the file is larger than {MAX_BYTES:,} bytes",
                "a case or experiment file holds no data: move them out",
            )
        data = read_plain(path, MAX_BYTES)
    except OSError as fault:
        raise fail("toml-read", f"the file cannot be read: {fault.strerror or 'unknown reason'}", "check the path") from fault
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise fail("toml-encoding", "the file is not UTF-8 text", "save it as UTF-8", line) from fault
    if deep := _DOTTED.search(text):  # it takes as long as the square of the parts
        line = text.count("\n", 0, deep.end()) + 1
        raise fail("toml-depth", "a key has more parts than any table is deep", "three levels are enough for every key", line)
    try:
        table = tomllib.loads(text)
        lines = toml_lines(text)
    except tomllib.TOMLDecodeError as fault:
        place = re.search(r"^(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$", str(fault), re.DOTALL)
        reason = place[1] if place else str(fault)
        at = (int(place[2]), int(place[3])) if place and place[2] else (text.count("\n") + 1, 0)
        raise fail("toml-syntax", *_habit(text, at[0], reason), *at) from fault
    except ValueError as fault:  # a number of more digits than Python reads
        raise fail("toml-syntax", f"a value cannot be read: {shorten(str(fault))}", "write a shorter number") from fault
    except RecursionError as fault:
        raise fail("toml-depth", "arrays or tables are nested too deeply", "three levels are enough for every key") from fault
    document = Document(file, table, lines, hashlib.sha256(data).hexdigest())
    if (loc := _with_null(table)) is not None:
        raise kind(document.fault("toml-text", loc, "the text holds a null character, which no file can", "delete it"))
    return document


_DOTTED = re.compile(r"^(?:[^=\n.]*\.){500}", re.MULTILINE)
_CURLY = str.maketrans("", "", "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb")
_COMMA = re.compile(r"[=\[,]\s*[-+]?[0-9]+,[0-9]+\s*(?:#.*)?$")


def _habit(text: str, line: int, reason: str) -> tuple[str, str]:
    """Reason and repair, by name where it is something that other programs write and TOML does not read."""
    lines = text.split("\n")
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if written.translate(_CURLY) != written:
        return 'the line has curly quotation marks, and TOML reads straight ones only: "', 'write " in their place'
    if "escape" in reason.lower() or ("\\" in written and "hex value" in reason.lower()):
        repair = "write it twice, use / in a path, or put the text in single quotes"
        return "a backslash in double quotes begins an escape such as \\n", repair
    if _COMMA.search(written.rstrip()):
        return "the number has a decimal comma", "write a decimal point"
    return f"this is not TOML: {reason}", "text needs quotes, a key needs one value"


def _with_null(value: object) -> Loc | None:
    """Where the first text, or name, with a null character stands."""
    stack: list[tuple[Loc, object]] = [((), value)]
    while stack:
        loc, item = stack.pop()
        if isinstance(item, str) and "\0" in item:
            return loc
        if isinstance(item, dict):
            if bad := [key for key in item if "\0" in key]:
                return (*loc, bad[0])
            stack.extend(((*loc, key), inner) for key, inner in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend(((*loc, at), inner) for at, inner in reversed(list(enumerate(item))))
    return None


# --- where each key stands -------------------------------------------------------------------------------------------


def toml_lines(text: str) -> dict[Loc, int]:
    """The line, counted from 1, of every table, key and array item of a valid TOML text."""
    return _Scanner(text).scan()


class _Scanner:
    """Walks a text that `tomllib` has accepted, so it checks nothing."""

    _BARE = re.compile(r"[A-Za-z0-9_-]+")
    _BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
    _SCALAR = re.compile(r"[^,\]}\n#]+")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Loc, int] = {}
        self.counts: dict[Loc, int] = {}

    def scan(self) -> dict[Loc, int]:
        here: Loc = ()
        while self._blank():
            if self.text.startswith("[[", self.at):
                here = self._header(2)
            elif self.text[self.at] == "[":
                here = self._header(1)
            else:
                self._pair(here)
        return self.lines

    def _mark(self, loc: Loc, at: int) -> None:
        self.lines.setdefault(loc, bisect_right(self.breaks, at - 1) + 1 if at else 1)

    def _blank(self) -> bool:
        """Skip blanks, line breaks and comments; whether anything is left."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t\r\n":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False

    def _spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _key(self) -> Loc:
        parts: list[str] = []
        while True:
            self._spaces()
            if self.text[self.at] == '"':
                match = self._BASIC.match(self.text, self.at)
                assert match is not None
                parts.append(tomllib.loads(f"k = {match[0]}")["k"])
                self.at = match.end()
            elif self.text[self.at] == "'":
                end = self.text.index("'", self.at + 1)
                parts.append(self.text[self.at + 1 : end])
                self.at = end + 1
            else:
                match = self._BARE.match(self.text, self.at)
                assert match is not None
                parts.append(match[0])
                self.at = match.end()
            self._spaces()
            if self.text[self.at] != ".":
                return tuple(parts)
            self.at += 1

    def _header(self, brackets: int) -> Loc:
        at = self.at
        self.at += brackets
        key = self._key()
        self.at += brackets
        loc: Loc = ()
        for part in key[:-1]:
            loc = (*loc, part)
            self._mark(loc, at)
            if loc in self.counts:
                loc = (*loc, self.counts[loc] - 1)
        loc = (*loc, key[-1])
        self._mark(loc, at)
        if brackets == 2:
            count = self.counts.get(loc, 0)
            self.counts[loc] = count + 1
            loc = (*loc, count)
            self._mark(loc, at)
        return loc

    def _pair(self, here: Loc) -> None:
        at = self.at
        loc = here
        for part in self._key():
            loc = (*loc, part)
            self._mark(loc, at)
        self.at += 1  # the equals sign
        self._spaces()
        self._value(loc)

    def _value(self, loc: Loc) -> None:
        text = self.text
        for quote in ('"""', "'''"):
            if text.startswith(quote, self.at):
                return self._long_string(quote)
        first = text[self.at]
        if first == '"':
            match = self._BASIC.match(text, self.at)
            assert match is not None
            self.at = match.end()
        elif first == "'":
            self.at = text.index("'", self.at + 1) + 1
        elif first in "[{":
            self._many(loc, "]" if first == "[" else "}")
        else:
            match = self._SCALAR.match(text, self.at)
            assert match is not None
            self.at = match.end()
        return None

    def _many(self, loc: Loc, close: str) -> None:
        """The items of an array, or the pairs of an inline table."""
        self.at += 1
        count = 0
        while self._blank() and self.text[self.at] != close:
            if close == "]":
                self._mark((*loc, count), self.at)
                self._value((*loc, count))
                count += 1
            else:
                self._pair(loc)
            self._blank()
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _long_string(self, quote: str) -> None:
        at = self.at + 3
        while not self.text.startswith(quote, at):
            at += 2 if self.text[at] == "\\" and quote[0] == '"' else 1
        at += 3
        while at < len(self.text) and self.text[at] == quote[0]:  # up to two quotes may stand before the closing ones
            at += 1
        self.at = at


# --- tables to models ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A TOML file while it is read: what it says and where, and the findings so far."""

    document: Document
    findings: list[Finding] = field(default_factory=list)

    def fault(self, rule: str, loc: Loc, reason: str, repair: str = "", element: str | None = None) -> None:
        """Add an error at a key."""
        self.findings.append(self.document.fault(rule, loc, reason, repair, element))

    def warn(self, rule: str, loc: Loc, reason: str, repair: str) -> None:
        """Add a warning at a key."""
        self.findings.append(replace(self.document.fault(rule, loc, reason, repair), level=Level.WARNING))

    def add(self, rule: str, reason: str, repair: str, element: str = "", line: int = 0) -> None:
        """Add an error that no key is to blame for, such as something missing."""
        self.findings.append(error(rule, reason, repair, file=self.document.file, element=element, line=line))

    @property
    def failed(self) -> bool:
        """Whether there is an error so far."""
        return any(finding.level is Level.ERROR for finding in self.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings so far."""
        return tuple(finding for finding in self.findings if finding.level is Level.WARNING)

    def parse(self, kind: type[T], raw: object, loc: Loc, rule: str = "schema") -> T | None:
        """The table at `loc` as a `kind`; None, and a finding for every fault added, when it cannot be.

        Nothing (None) gives None and no finding."""
        if raw is None:
            return None
        try:
            return kind.model_validate(raw)
        except ValidationError as faults:
            for fault in faults.errors(include_url=False, include_context=True):
                where = tuple(fault["loc"])
                reason, repair = _words(kind, dict(fault), where)
                self.fault(rule, (*loc, *where), reason, repair)
            return None

    def one(self, kind: type[T], key: str) -> T | None:
        """The table `[key]`; None when it is missing or faulty."""
        return self.parse(kind, self.document.table.get(key), (key,))

    def each(self, kind: type[T], key: str) -> dict[str, T]:
        """The tables `[key.<name>]` by name, in order; the faulty ones are left out and reported."""
        items = {name: self.parse(kind, raw, (key, name)) for name, raw in self.table(key).items()}
        return {name: item for name, item in items.items() if item is not None}

    def listed(self, kind: type[T], key: str) -> list[tuple[int, T]]:
        """The tables `[[key]]` with their numbers, in order; the faulty ones are left out and reported."""
        raw = self.document.table.get(key, [])
        if not isinstance(raw, list):
            self.fault("schema", (key,), "a list of tables is needed here", f"write [[{key}]]")
            return []
        items = ((number, self.parse(kind, item, (key, number))) for number, item in enumerate(raw))
        return [(number, item) for number, item in items if item is not None]

    def table(self, key: str) -> Mapping[str, Any]:
        """The table under a top-level key; empty when it is missing, and reported when it is something else."""
        raw = self.document.table.get(key, {})
        if isinstance(raw, dict):
            return raw
        self.fault("schema", (key,), "a table is needed here", f"write [{key}.<name>]")
        return {}

    def required(self, key: str, keys: str) -> object:
        """What stands under a top-level key that every such file must have; None, and one finding, when nothing does."""
        if key not in self.document.table:
            self.add("schema", f"there is no [{key}] table", f"add [{key}] with {keys}", line=1)
        return self.document.table.get(key)

    def only(self, known: tuple[str, ...]) -> None:
        """Report the top-level keys that mean nothing."""
        for key in self.document.table:
            if key not in known:
                hint = did_you_mean(key, known) or f"known are {', '.join(known)}"
                self.fault("unknown-key", (key,), "unknown key", hint)


def _words(kind: type[Table], fault: dict[str, Any], where: Loc) -> tuple[str, str]:
    """Reason and repair of one pydantic fault, in the words of someone who writes TOML."""
    given = fault.get("input")
    shown = shorten(repr(given), 60)
    match fault["type"]:
        case "missing":
            return f'key "{where[-1]}" is missing', "add it"
        case "extra_forbidden":
            known = keys_at(kind, where[:-1])
            return "unknown key", did_you_mean(str(where[-1]), known) or f"known are {', '.join(known)}"
        case "literal_error":
            allowed = str(fault["ctx"]["expected"]).replace("'", '"')
            hint = did_you_mean(str(given), re.findall(r'"([^"]*)"', allowed)) if isinstance(given, str) else ""
            return f"{shown} is not one of {allowed}", hint or "write one of them"
        case "value_error" | "assertion_error":
            return str(fault["msg"]).partition(", ")[2] or str(fault["msg"]), ""
        case "float_type" | "int_type" | "int_from_float":
            word = "a number" if fault["type"] == "float_type" else "a whole number"
            comma = isinstance(given, str) and re.fullmatch(r"\s*-?[0-9]+,[0-9]+\s*", given) is not None
            return f"{word} is needed, not {shown}", "write a decimal point" if comma else "write it without quotes"
        case "finite_number":
            return f"a finite number is needed, not {shown}", "write a number"
        case "date_type" | "date_from_datetime_inexact":
            return f"a date is needed, not {shown}", "write it without quotes, as 1996-10-01"
        case "string_type":
            return f"text in quotes is needed, not {shown}", ""
        case "bool_type":
            return f"true or false is needed, not {shown}", ""
        case "tuple_type" | "list_type":
            return f"a list in brackets is needed, not {shown}", ""
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"a table is needed, not {shown}", ""
        case _:
            text = str(fault["msg"])
            return f"{text[:1].lower()}{text[1:]}, not {shown}", ""


def keys_at(kind: type[BaseModel], where: Loc) -> tuple[str, ...]:
    """The keys a table may hold, at a place inside a model."""
    current: type[BaseModel] = kind
    for part in where:
        if isinstance(part, int):
            continue
        for name, info in current.model_fields.items():
            if (info.alias or name) == part:
                inner = _model_in(info.annotation)
                if inner is not None:
                    current = inner
    return tuple(info.alias or name for name, info in current.model_fields.items())


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `tuple[Check, ...]` or `Second | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
