"""Bytes to an XML tree that is safe to walk, with the line and column of what stands in it.

A DOCTYPE is refused before the XML parser sees the file, so no entity is ever declared, let alone expanded. The text is
decoded here (byte order mark, or the encoding the prolog declares), so what is looked at is what is parsed.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from flowreform.errors import Finding, Level, ModelError, did_you_mean, error, shorten, warning
from flowreform.files import read_plain
from flowreform.formats.expressions import ExpressionError, parse
from flowreform.formats.limits import Limits, how_to_raise
from flowreform.model import Expr, canonical

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_WORDS_BEFORE_BRACKET = re.compile(r"((?:[^\W\d][\w$]*[ \t\u00a0]+)+[^\W\d][\w$]*)[ \t]*(?=\()")
_COMMENT = re.compile(r"<!--([\s\S]*?)-->")
_WORDS = re.compile(r"[^\W\d][\w$]*(?:[ \t\u00a0]+[^\W\d][\w$]*)+")
_SUBRANGE = re.compile(r"\*:([^\W\d][\w$]*)")
_COLONS = re.compile(r":(AND|OR|NOT):|:NA:", re.IGNORECASE)
_MOST_WORDS = 12
"""Words of one name that is written without joining them."""
_MOST_FINDINGS = 200
_MOST_HINTS = 20


@dataclass
class Reading:
    """One file being read: where it is, what it may hold, and the findings so far."""

    file: str
    document: XmlDocument
    limits: Limits
    macros: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)

    def fault(self, rule: str, reason: str, repair: str = "", *, at: Node | int = 0, element: str = "", column: int = 0) -> None:
        """Note an error; `at` is a line or an XML element."""
        self.findings.append(error(rule, reason, repair, file=self.file, line=line_of(at), element=element, column=column))

    def warn(self, rule: str, reason: str, repair: str = "", *, at: Node | int = 0, element: str = "") -> None:
        """Note a warning; `at` is a line or an XML element."""
        self.findings.append(warning(rule, reason, repair, file=self.file, line=line_of(at), element=element))

    def like(self, name: str, known: Iterable[str]) -> str:
        """`did_you_mean`, for the first faults of a file: comparing thousands with thousands would take minutes."""
        return did_you_mean(name, known) if len(self.findings) < _MOST_HINTS else ""

    def raise_faults(self) -> None:
        """Raise ModelError with every error found so far, in the order of the file; nothing when there is none."""
        faults = sorted((item for item in self.findings if item.level is Level.ERROR), key=lambda item: item.line)
        if len(faults) > _MOST_FINDINGS:
            more = f"there are {len(faults) - _MOST_FINDINGS:,} faults more"
            faults = [*faults[:_MOST_FINDINGS], error("more-faults", more, "mend these first", file=self.file)]
        if faults:
            raise ModelError(faults)

    def name(self, node: Node, what: str, attribute_name: str = "name") -> str:
        """The canonical name in an attribute; an empty text, and a fault, where there is none or it is too long."""
        written = node.get(attribute_name)
        if written is None or not written.strip() or not canonical(written).strip('"'):
            self.fault(
                "empty-name",
                f"{'an' if what[0] in 'aeiou' else 'a'} {what} has no name",
                f"give its {attribute_name} attribute a value",
                at=node,
                element=what,
            )
            return ""
        if len(written) > self.limits.name_characters:
            reason = f"the name has {len(written):,} characters, the limit is {self.limits.name_characters:,}"
            self.fault("long-name", reason, f"shorten it, or {how_to_raise('name_characters')}", at=node, element=written)
            return ""
        return canonical(written)

    def number(self, written: str | None, what: str, *, at: Node, element: str, rule: str = "bad-number") -> float | None:
        """A finite number as text; None, and a fault, for anything else."""
        value = to_number(written)
        if value is None:
            shown = shorten((written or "").strip(), 40)
            reason = f'{what} is "{shown}", which is not a number' if shown else f"{what} is missing"
            self.fault(rule, reason, "write a number with a decimal point, as in 0.25", at=at, element=element)
        elif not isfinite(value):
            self.fault(
                rule,
                f"{what} is {shorten((written or '').strip(), 40)}, which is not finite",
                "write a finite number",
                at=at,
                element=element,
            )
            return None
        return value

    def expression(self, node: Node, label: str) -> Expr | None:
        """The expression in an element; None, and a fault, when it cannot be read."""
        line, column = self.document.place(node)
        text = joined(text_of(node), self.macros)
        try:
            return parse(text, limits=self.limits, column=column)
        except ExpressionError as problem:
            plain = spelled(text, self.names)
            if plain != text:
                with suppress(ExpressionError):
                    return parse(plain, limits=self.limits, column=column)
            at = line + problem.line - 1
            first = column if problem.line == 1 else 1
            place = self.document.column(at, first, problem.column) if first and problem.column else 0
            self.fault(problem.rule, problem.reason, problem.repair, at=at, element=label, column=place)
            return None


def joined(text: str, macros: frozenset[str]) -> str:
    """The text with a macro's name that is written with blanks, `EXPRESSION MACRO(a, b)`, made one word of the same length.

    Some programs write the name as it reads; only words right before an opening bracket that together name a macro are taken."""
    if not macros:
        return text

    def join(found: re.Match[str]) -> str:
        words = found[1].split()
        for first in range(len(words) - 1):
            if canonical(" ".join(words[first:])) in macros:
                start = len(found[1]) - len(found[1].split(None, first)[-1]) if first else 0
                return found[0][:start] + re.sub(r"\s", "_", found[1][start:]) + found[0][len(found[1]) :]
        return found[0]

    return _WORDS_BEFORE_BRACKET.sub(join, text)


def spelled(text: str, names: frozenset[str]) -> str:
    """The text as XMILE spells it, of the same length: names of several words joined where they are names of the file or of
    built-ins, and Vensim's `:AND:`, `:OR:`, `:NOT:` and `:NA:` as words. Exporters of Vensim's models write them so."""

    def join(found: re.Match[str]) -> str:
        parts, at, done = re.split(r"([ \t\u00a0]+)", found[0]), 0, ""
        words = parts[::2]
        while at < len(words):
            most = min(_MOST_WORDS, len(words) - at)
            count = next((n for n in range(most, 1, -1) if canonical(" ".join(words[at : at + n])) in names), 1)
            last = 2 * (at + count) - 1
            done += re.sub(r"\s", "_", "".join(parts[2 * at : last])) + "".join(parts[last : last + 1])
            at += count
        return done

    text = _SUBRANGE.sub(lambda found: f"{found[1]}.*", text)  # xmutil's form of a whole subrange
    return _WORDS.sub(join, _COLONS.sub(lambda found: f" {found[1]} " if found[1] else "NAN ", text))


def line_of(at: Node | int) -> int:
    """A line, or the line of an element."""
    return at if isinstance(at, int) else int(at.sourceline or 0)


def text_of(node: Node | None) -> str:
    """All the text in an element, without blanks around it; empty when there is no element."""
    return "" if node is None else "".join(node.itertext()).strip()


def to_number(written: str | None) -> float | None:
    """The number that a text spells, infinite if it is too large; None when it spells none."""
    return float(written) if written is not None and _NUMBER.fullmatch(written) else None


def truth(written: str | None, default: bool) -> bool | None:
    """`true` or `false` in any case, `default` for nothing, None for anything else."""
    return {"": default, "true": True, "false": False, "1": True, "0": False}.get((written or "").strip().lower())


def attribute(node: Node, name: str) -> str | None:
    """An attribute by its own name, whatever namespace it is in."""
    for key, value in node.attrib.items():
        if key.rpartition("}")[2].rpartition(":")[2] == name:
            return str(value)
    return None


# --- bytes to a tree -------------------------------------------------------------------------------------------------


Node = Any
"""An element of lxml, which has no types of its own."""

_ENCODING_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_NOT_FOR_FILES = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"})
"""Python has these among its text encodings; they are for names and source code, and some take forever over a long text."""

_DEEPEST = 2_048
"""How deep libxml2 reads at most."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']{1,40})["']""")
_BLANKS = re.compile(r"\s*")
_SKIPPED = (("<!--", "-->"), ("<?", "?>"))
_ROOT = re.compile(r"<[^\s<>/!?=\"']+")
_PREFIX = re.compile(r"Namespace prefix (\S+) (?:on|for) ")
_PIECE = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(?:[\w.-]+:)?(?:init_)?eqn\b[^<>]*>", re.DOTALL)
_EQUATIONS = ("{*}eqn", "{*}init_eqn")
_ENTITY = re.compile(r"&#?\w{1,8};")
_CDATA = "<![CDATA["


@dataclass(frozen=True)
class XmlDocument:
    """A parsed file: its root, and the text it was parsed from."""

    root: Node
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def _equations(self) -> dict[Node, int]:
        """Where the content of each equation begins in the text; empty where tree and text do not tally."""
        nodes = list(self.root.iter(*_EQUATIONS))
        ends = [match.end() for match in _PIECE.finditer(self.text) if not match[0].startswith("<!")]
        return dict(zip(nodes, ends, strict=True)) if len(nodes) == len(ends) else {}

    def place(self, node: Node) -> tuple[int, int]:
        """Line and column (from 1) of the first character of an equation that is not blank; column 0 when not known."""
        start = self._equations.get(node)
        if start is None:
            return int(node.sourceline or 0), 0
        if self.text.startswith(_CDATA, start):
            start += len(_CDATA)
        while start < len(self.text) and self.text[start].isspace():
            start += 1
        line = bisect_right(self._line_starts, start)
        return line, start - self._line_starts[line - 1] + 1

    def column(self, line: int, first: int, counted: int) -> int:
        """The column in the file of what a reader of the text that begins in column `first` counts as column `counted`:
        `&lt;` is one character to the one and four to the other."""
        place = start = self._line_starts[line - 1] + first - 1
        for _ in range(counted - first):
            entity = _ENTITY.match(self.text, place)
            place = entity.end() if entity else place + 1
        return first + place - start


def load(path: Path, limits: Limits) -> tuple[XmlDocument, bytes]:
    """The document in a file, and the file's bytes.

    Raises ModelError for a file that cannot be opened, decoded or parsed, holds a DOCTYPE or is over a limit."""
    data = read_bytes(path, limits)
    text = _without_declaration(decode(data, path))
    start = _skip_prolog(text, path)
    root = _parse(text, start, path, limits)
    _require_few_enough(root, path, limits)
    _require_flat_enough(root, path, limits)
    _drop_namespace(root)
    return XmlDocument(root, text), data


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The bytes of a file. Raises ModelError where it cannot be opened or is too large."""
    try:
        size = path.stat().st_size
        data = read_plain(path, limits.file_bytes) if size <= limits.file_bytes else b""
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ModelError(
            error("cannot-read", f"cannot read the file: {reason}", "check its name and who may read it", file=str(path))
        ) from fault
    if size > limits.file_bytes:
        reason = f"the file has {size:,} bytes, the limit is {limits.file_bytes:,}"
        raise ModelError(error("file-too-large", reason, how_to_raise("file_bytes"), file=str(path)))
    if not data.strip():
        raise ModelError(
            error("empty-file", "the file is empty", "save the model again from the program that wrote it", file=str(path))
        )
    return data


def decode(data: bytes, path: Path) -> str:
    """The text of a file, by its byte order mark, else by the encoding its prolog declares, else as UTF-8."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], encoding, path)
    if data.startswith((b"<\0?\0", b"\0<\0?")):
        return _decode(data, "utf-16-le" if data[0] else "utf-16-be", path)
    declared = _DECLARED.match(data[:1000])
    return _decode(data, declared[1].decode("latin-1") if declared else "utf-8", path)


def _decode(data: bytes, encoding: str, path: Path) -> str:
    repair = 'save the file as UTF-8 and declare encoding="UTF-8"'
    try:
        if not _ENCODING_NAME.fullmatch(encoding) or codecs.lookup(encoding).name in _NOT_FOR_FILES:
            raise LookupError
        text = data.decode(encoding)
        text.encode()  # a stray half of a surrogate pair is no text either
    except LookupError:
        reason = f'"{shorten(encoding, 40)}" is not the name of a text encoding'
        raise ModelError(error("encoding", reason, repair, file=str(path), line=1)) from None
    except UnicodeError as fault:
        start = getattr(fault, "start", 0)
        line = data.count(b"\n", 0, start) + 1
        reason = f"byte {start + 1:,} is not {encoding.upper()} text"
        raise ModelError(error("encoding", reason, repair, file=str(path), line=line)) from None
    return text


def _without_declaration(text: str) -> str:
    """The text without `<?xml ...?>`, blanked so that places stay: the encoding it names is no longer the one at hand."""
    match = re.match(r"\s*<\?xml\s[^>]*\?>", text)
    return re.sub(r"[^\n]", " ", match[0]) + text[match.end() :] if match else text


def _skip_prolog(text: str, path: Path) -> int:
    """Where the root's tag begins. Comments and processing instructions may stand before it, a DOCTYPE may not."""
    start = _BLANKS.match(text, 0).end()  # type: ignore[union-attr]
    while closing := next((close for opening, close in _SKIPPED if text.startswith(opening, start)), None):
        end = text.find(closing, start)
        if end < 0:
            break
        start = _BLANKS.match(text, end + len(closing)).end()  # type: ignore[union-attr]
    line = text.count("\n", 0, start) + 1
    if text[start : start + 9].upper() == "<!DOCTYPE":
        reason = "the file declares a DOCTYPE, which a model never needs and which can hide entities"
        raise ModelError(error("doctype", reason, "delete the <!DOCTYPE ...> declaration", file=str(path), line=line))
    if not _ROOT.match(text, start):
        reason = "this is not XML: it does not begin with a tag"
        raise ModelError(error("xml-syntax", reason, "read a file written as XMILE (.xmile, .stmx)", file=str(path), line=line))
    return start


def _parse(text: str, start: int, path: Path, limits: Limits) -> Node:
    """The root element. Prefixes that the file uses and does not declare (xmutil writes `isee:` so) are declared."""
    from lxml import etree

    tag = _ROOT.match(text, start)
    assert tag is not None
    declared: list[str] = []
    commented = True
    while True:
        extra = "".join(f' xmlns:{prefix}="urn:undeclared:{prefix}"' for prefix in declared)
        parser = etree.XMLParser(
            recover=False,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            remove_comments=True,
            remove_pis=True,
            huge_tree=limits.xml_depth > 250,  # libxml2 stops at 256 levels otherwise, and at 2,048 in any case
            encoding="utf-8",
        )
        try:
            return etree.fromstring((text[: tag.end()] + extra + text[tag.end() :]).encode(), parser)
        except etree.XMLSyntaxError as fault:
            entries = list(parser.error_log)
            if commented and any(entry.type_name == "ERR_HYPHEN_IN_COMMENT" for entry in entries):
                # Many programs let two hyphens stand in a comment; nobody reads one, so its hyphens go.
                text, commented = _COMMENT.sub(lambda found: found[0][:4] + found[1].replace("-", " ") + "-->", text), False
                continue
            missing = _undeclared(entries, declared)
            if not missing:
                raise _syntax_error(fault, entries, path, limits) from None
            declared += missing


def _undeclared(entries: list[Any], declared: list[str]) -> list[str]:
    """The prefixes to declare, when undeclared prefixes are all that is wrong with a file."""
    if not entries or any(entry.type_name != "NS_ERR_UNDEFINED_NAMESPACE" for entry in entries):
        return []
    found = [match[1] for entry in entries if (match := _PREFIX.match(entry.message))]
    return [prefix for prefix in dict.fromkeys(found) if prefix not in declared]


def _syntax_error(fault: Any, entries: list[Any], path: Path, limits: Limits) -> ModelError:
    entry = next((entry for entry in entries if entry.type_name != "NS_ERR_UNDEFINED_NAMESPACE"), None)
    message = str(entry.message if entry else fault.msg or fault)
    line = entry.line if entry else (fault.lineno or 0)
    column = entry.column if entry else (fault.offset or 0)
    if "depth" in message.lower():
        return _too_deep(path, limits, line)
    repair = "the file is damaged or cut off: save it again from the program that wrote it"
    return ModelError(
        error("xml-syntax", f"this is not well-formed XML: {message}", repair, file=str(path), line=line, column=column)
    )


def _require_few_enough(root: Node, path: Path, limits: Limits) -> None:
    if (count := int(root.xpath("count(//*)"))) > limits.xml_elements:
        reason = f"the file has {count:,} XML elements, the limit is {limits.xml_elements:,}"
        raise ModelError(error("xml-elements", reason, how_to_raise("xml_elements"), file=str(path)))


def _require_flat_enough(root: Node, path: Path, limits: Limits) -> None:
    level, deepest = 0, limits.xml_depth
    from lxml import etree

    for event, node in etree.iterwalk(root, events=("start", "end")):
        level += 1 if event == "start" else -1
        if level > deepest:
            raise _too_deep(path, limits, int(node.sourceline or 0))


def _drop_namespace(root: Node) -> None:
    """Bare names for the elements of the root's own namespace, whichever that is; a vendor's additions keep theirs."""
    own, brace, _ = root.tag.rpartition("}")
    if brace:
        for node in root.iter(own + "}*"):
            node.tag = node.tag[len(own) + 1 :]


def _too_deep(path: Path, limits: Limits, line: int) -> ModelError:
    most = min(limits.xml_depth, _DEEPEST)
    reason = f"XML elements are nested more than {most:,} deep"
    repair = how_to_raise("xml_depth") if most < _DEEPEST else "flatten the file: no more can be read"
    return ModelError(error("xml-depth", reason, repair, file=str(path), line=line))
