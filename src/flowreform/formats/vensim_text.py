"""From the bytes of a Vensim file to its entries: text, units, comment and line of each.

A Vensim file is `{encoding}`, then entries `equation ~ units ~ comment |`, with macros between `:MACRO:` and
`:END OF MACRO:`, group headings between rows of stars, and behind a marker the sketch and the settings, of which only the
integration method and the unit equivalents are read. Pure: nothing here opens a file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from encodings.aliases import aliases

from flowreform.errors import Finding, ModelError, error, warning
from flowreform.model import Method, UnitAlias
from flowreform.text import as_number

_SKETCH = re.compile(r"\\{2,3}---///")
_LABEL = re.compile(rb"^\s*\{([^{}\r\n]{0,60})\}")
_TEXT_CODECS = re.compile(
    r"utf_8|utf_16(_[lb]e)?|utf_32(_[lb]e)?|ascii|latin_1|iso8859_[0-9]+|cp[0-9]+|koi8_[rut]|mac_\w+|gbk|gb2312|gb18030|hz|"
    r"big5(hkscs)?|shift_jis(x0213|_2004)?|euc_\w+|iso2022_\w+|johab|tis_620|ptcp154|kz1048"
)
_QUOTED = r'"(?:\\[\s\S]|[^"\\\r\n])*"'
_IN_QUOTES = re.compile(_QUOTED)
_NOTE = re.compile(r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|\{[^}]*\}")
"""A comment, which may hold others."""
_PLAIN = re.compile(r"[^~|]*+")
_MARK = re.compile(r'[{"~|]')
_MACRO = re.compile(rf":MACRO:\s*((?:{_QUOTED}|[^()\"|~])+?)\s*\(([^()]*)\)", re.IGNORECASE)
_MACRO_END = re.compile(r":END OF MACRO:", re.IGNORECASE)
_HEADING = re.compile(r"\*{3,}\s*([\s\S]*?)\s*\**\s*")
_BLANKS = re.compile(r"(?:\\\s*\n|\s)+")
_LIMITS = re.compile(r"^(.*?)\[([^\[\]]*)\]\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VensimEntry:
    """One equation or definition as written, blanks made single; `macro` is the index of the macro it stands in."""

    equation: str
    units: str | None
    doc: str
    line: int
    range: tuple[float | None, float | None] = (None, None)
    group: str | None = None
    macro: int | None = None


@dataclass(frozen=True, slots=True)
class MacroHead:
    """`:MACRO: name(inputs : further results)`."""

    name: str
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Parts:
    """All of a file that matters to a model."""

    entries: tuple[VensimEntry, ...]
    macros: tuple[MacroHead, ...]
    groups: tuple[tuple[str, str], ...]
    method: Method
    unit_aliases: tuple[UnitAlias, ...]
    findings: tuple[Finding, ...]
    data_files: tuple[tuple[str, str], ...] = ()


def decode(data: bytes, file: str) -> tuple[str, tuple[Finding, ...]]:
    """The text of a Vensim file, line ends as `\\n`, and warnings.

    A byte order mark wins over the `{encoding}` on the first line; without either the text is UTF-8.

    Raises ModelError for an empty file, XML, binary content and an encoding that is unknown or no text."""
    if not data.strip():
        raise ModelError(error("empty-file", "the file is empty", "save the model again", file=file))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec, label = "utf_16", "UTF-16"
    elif data.startswith(b"\xef\xbb\xbf"):
        codec, label, data = "utf_8", "UTF-8", data[3:]
    else:
        codec, label = _named_codec(data, file)
    head = data.lstrip()[:200].lower()
    if head.startswith((b"<?xml", b"<xmile", b"<!doctype")):
        raise ModelError(error("wrong-format", "holds XML, not Vensim equations", "name the file .xmile", file=file, line=1))
    if codec == "utf_8" and b"\0" in data[: 1 << 16]:
        raise ModelError(
            error("binary-file", "holds binary data, not text", "save it from Vensim as a .mdl text file", file=file)
        )
    found: tuple[Finding, ...] = ()
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        found = (
            warning(
                "encoding",
                f"a byte here is not {label}; unreadable characters are replaced",
                "save the file as UTF-8",
                file=file,
                line=line,
            ),
        )
        text = data.decode(codec, errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff"), found


def _named_codec(data: bytes, file: str) -> tuple[str, str]:
    """The codec named between braces on the first line; a comment with blanks in it is none."""
    found = _LABEL.match(data)
    label = found.group(1).decode("latin-1").strip() if found else ""
    if not label or " " in label:
        return "utf_8", "UTF-8"
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    codec = aliases.get(plain, plain)
    if not _TEXT_CODECS.fullmatch(codec) or (codec not in aliases.values() and codec not in ("utf_8", "koi8_t", "koi8_u")):
        raise ModelError(
            error(
                "encoding",
                f"unknown text encoding {label!r} on the first line",
                "write {UTF-8} there and save as UTF-8",
                file=file,
                line=1,
            )
        )
    return codec, label


class _Lines:
    """Line numbers from positions."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def at(self, position: int) -> int:
        return bisect_right(self.starts, position)


def squeeze(text: str) -> str:
    """The text on one line: continuations and runs of blanks become one blank."""
    return _BLANKS.sub(" ", text).strip()


def split(text: str, file: str) -> Parts:
    """The entries, macros, groups and settings of a file; faults of the layout are findings."""
    body, _, rest = text.partition(marker.group()) if (marker := _SKETCH.search(text)) else (text, "", "")
    method, unit_aliases, data_files = _settings(rest)
    lines = _Lines(text)
    entries: list[VensimEntry] = []
    macros: list[MacroHead] = []
    groups: dict[str, str] = {}
    findings: list[Finding] = []
    position, group, macro = 0, None, None
    last = body.rfind("}")
    label = re.match(r"\s*\{[^}]*\}", body)
    if label:
        position = label.end()
    while True:
        position = _skip(body, position)
        if position >= len(body):
            break
        line = lines.at(position)
        head, end = _MACRO.match(body, position), _MACRO_END.match(body, position)
        if head:
            inputs, _, results = head.group(2).partition(":")
            macro = len(macros)
            macros.append(MacroHead(squeeze(head.group(1)), _names(inputs), _names(results), line))
            position = head.end()
            continue
        if end:
            macro, position = None, end.end()
            continue
        fields, position, closed = _fields(body, position, last)
        if not closed:
            findings.append(
                error(
                    "syntax",
                    "an entry does not end in `~ units ~ comment |`",
                    "add what is missing",
                    file=file,
                    line=line,
                    element=squeeze(fields[0])[:60],
                )
            )
            continue
        heading = _HEADING.fullmatch(fields[0].strip())
        if heading:
            name = squeeze(heading.group(1)).lstrip(".").strip()
            group = name or None
            if group:
                groups.setdefault(group, squeeze(fields[1]) if len(fields) > 1 else "")
            continue
        equation = squeeze(_without_notes(fields[0]))
        if not equation:
            continue
        units, limits, fault = _units(fields[1] if len(fields) > 1 else "")
        if fault:
            findings.append(
                warning("range", fault, "write [low, high], with ? for an open side", file=file, line=line, element=equation[:60])
            )
        entries.append(VensimEntry(equation, units, squeeze(fields[2]) if len(fields) > 2 else "", line, limits, group, macro))
    if macro is not None:
        findings.append(
            error(
                "syntax",
                "the macro has no :END OF MACRO:",
                "add it",
                file=file,
                line=macros[macro].line,
                element=macros[macro].name,
            )
        )
    return Parts(tuple(entries), tuple(macros), tuple(groups.items()), method, unit_aliases, tuple(findings), data_files)


def _skip(text: str, position: int) -> int:
    """The next position that is not blank."""
    found = re.compile(r"\s*").match(text, position)
    return found.end() if found else position


def _names(text: str) -> tuple[str, ...]:
    return tuple(squeeze(name) for name in text.split(",") if name.strip())


def _fields(text: str, position: int, last: int) -> tuple[list[str], int, bool]:
    """The fields of the entry at `position` up to its `|`, the position behind it, and whether it was well formed."""
    fields: list[str] = []
    while True:
        found = _PLAIN.match(text, position) if fields else None
        stop = found.end() if found else next((at for mark, at, _ in _marks(text, position, last) if mark in "~|"), len(text))
        fields.append(text[position:stop])
        if stop >= len(text):
            return fields, len(text), False
        position = stop + 1
        if text[stop] == "|":
            return fields, position, len(fields) > 1


def _marks(text: str, position: int, last: int) -> Iterator[tuple[str, int, int]]:
    """Names in quotes, comments and the ends of fields from a position on: the mark, where it begins and ends.

    One that is never closed is a letter. Whether it is closed is looked up once: at each mark it would take the square of them.
    `last` is where the last comment of the text closes."""
    unclosed = -1
    while found := _MARK.search(text, position):
        at, position = found.span()
        whole = None
        if found[0] == "{" and at < last:
            whole = _NOTE.match(text, at)
        elif found[0] == '"' and at > unclosed:
            whole = _IN_QUOTES.match(text, at)
            if whole is None:  # no other quote on this line is, since all of them have a backslash
                unclosed = (text.find("\n", at) + 1 or len(text) + 1) - 1
        if whole is not None or found[0] in "~|":
            position = whole.end() if whole else position
            yield found[0], at, position


def _without_notes(text: str) -> str:
    """The text with a blank for each comment."""
    pieces, behind = [], 0
    for mark, at, end in _marks(text, 0, text.rfind("}")):
        if mark == "{":
            pieces += [text[behind:at], " "]
            behind = end
    return "".join(pieces) + text[behind:]


def _units(text: str) -> tuple[str | None, tuple[float | None, float | None], str]:
    """`units [low, high, step]` as units, range and what is wrong with the range."""
    plain = squeeze(text)
    found = _LIMITS.match(plain)
    if not found:
        return plain or None, (None, None), ""
    sides: list[float | None] = []
    for part in found.group(2).split(",")[:2]:
        value = as_number(part)
        if value is None and part.strip() not in ("", "?"):
            return found.group(1).strip() or None, (None, None), f"cannot read the range [{found.group(2)}]"
        sides.append(value)
    low, high = (*sides, None, None)[:2]
    return found.group(1).strip() or None, (low, high), ""


def _settings(text: str) -> tuple[Method, tuple[UnitAlias, ...], tuple[tuple[str, str], ...]]:
    """Integration method (setting 15, fourth number: 1 and 5 Runge-Kutta 4, 3 and 4 Runge-Kutta 2), unit equivalents
    (setting 22: spellings of one unit) and data files (setting 30: `?tag=file`)."""
    method, units, files = Method.EULER, [], []
    _, _, settings = text.partition(":L")
    for row in settings.splitlines():
        kind, _, value = row.strip().partition(":")
        parts = [part.strip() for part in value.split(",")]
        if kind == "15" and len(parts) > 3:
            method = {"1": Method.RK4, "5": Method.RK4, "3": Method.RK2, "4": Method.RK2}.get(parts[3], Method.EULER)
        elif kind == "30" and value.startswith("?") and "=" in value:
            tag, _, name = value.partition("=")
            files.append((tag.strip().lower(), name.strip()))
        elif kind == "22" and parts[0]:
            units.append(UnitAlias(parts[0], "", tuple(part for part in parts[1:] if part)))
    return method, tuple(units), tuple(files)
