"""The XML parts of a workbook as bytes with places, so that a change touches nothing but what it must.

expat tells where each tag begins; edits are cut into the bytes, and everything between them stays as it is. No DOCTYPE is
let through, so there are no entities, nothing from outside is read, and depth is limited.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from flowreform.errors import ExperimentError, error

MOST_DEEP = 200
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag: its bytes from `start` to `stop`; `closed` when it is `<a/>`. `name` has no prefix, `prefix` its colon."""

    name: str
    prefix: str
    attributes: Mapping[str, str]
    start: int
    stop: int
    closed: bool


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """The bytes from `start` to `stop` become `new`."""

    start: int
    stop: int
    new: bytes


Opened = Callable[[Tag, int], None]
"""Told of a start tag and its depth, 1 for the root."""
Closed = Callable[[str, int, int, int], None]
"""Told of an end: the name, its depth, where the end tag begins (for `<a/>`, where it stops) and where the element stops."""


def walk(content: bytes, opened: Opened, closed: Closed, file: str, part: str) -> None:
    """Go through an XML part in order.

    Raises ExperimentError for XML that is not well-formed, has a DOCTYPE, is nested too deeply or is not UTF-8."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    stack: list[Tag] = []

    def fail(reason: str) -> ExperimentError:
        repair = "open it in the program that wrote it and save it again"
        return ExperimentError(error("workbook", reason, repair, file=file, line=parser.CurrentLineNumber, element=part))

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _UTF8:
            raise fail("the part is not UTF-8 text")

    def doctype(*_: object) -> None:
        raise fail("the part declares a DOCTYPE, which a workbook never needs and which can hide entities")

    def start(name: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        match = _TAG.match(content, at)
        if match is None:
            raise fail("the part is not well-formed XML")
        if len(stack) >= MOST_DEEP:
            raise fail(f"elements are nested more than {MOST_DEEP} deep")
        prefix, colon, plain = name.rpartition(":")
        tag = Tag(plain, prefix + colon, attributes, at, match.end(), match[0].endswith(b"/>"))
        stack.append(tag)
        opened(tag, len(stack))

    def end(_: str) -> None:
        tag = stack.pop()
        if tag.closed:
            closed(tag.name, len(stack) + 1, tag.stop, tag.stop)
        else:
            at = parser.CurrentByteIndex
            closed(tag.name, len(stack) + 1, at, content.index(b">", at) + 1)

    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declared, doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        raise fail("the part is not UTF-8 text")
    try:
        parser.Parse(content, True)
    except expat.ExpatError as fault:
        reason = f"the part is not well-formed XML: {expat.ErrorString(fault.code)}"
        raise fail(reason) from None


def edited(content: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with all edits made; of two at one place the insertion comes first."""
    out, at = bytearray(), 0
    for edit in sorted(edits, key=lambda item: (item.start, item.stop)):
        assert edit.start >= at, "edits overlap"
        out += content[at : edit.start] + edit.new
        at = edit.stop
    return bytes(out + content[at:])


def start_tag(tag: Tag, changes: Mapping[str, str | None], *, closed: bool | None = None) -> bytes:
    """The tag anew, with some attributes changed, added, or (None) left out; other attributes keep their order."""
    kept = {name: changes.get(name, value) for name, value in tag.attributes.items()}
    kept |= {name: value for name, value in changes.items() if name not in kept}
    words = "".join(f" {name}={quoteattr(value)}" for name, value in kept.items() if value is not None)
    end = "/>" if (tag.closed if closed is None else closed) else ">"
    return f"<{tag.prefix}{tag.name}{words}{end}".encode()


def text(value: str) -> str:
    """Text as XML holds it: marks escaped, control characters that XML cannot hold left out."""
    return escape("".join(ch for ch in value if ch in "\t\n" or (ch.isprintable() and ch not in "\ufffe\uffff")))
