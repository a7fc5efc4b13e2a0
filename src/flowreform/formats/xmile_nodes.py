"""What every part of the XMILE reader uses: small questions to XML elements, and the list of faults found so far."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

from flowreform.errors import Finding, Level, ModelError, did_you_mean, error, shorten, warning
from flowreform.formats.expressions import ExpressionError, parse
from flowreform.formats.limits import Limits, how_to_raise
from flowreform.formats.xmile_document import Document, Node
from flowreform.model import Expr, canonical

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_WORDS_BEFORE_BRACKET = re.compile(r"((?:[^\W\d][\w$]*[ \t\u00a0]+)+[^\W\d][\w$]*)[ \t]*(?=\()")
_MOST_FINDINGS = 200
_MOST_HINTS = 20


@dataclass
class Reading:
    """One file being read: where it is, what it may hold, and the findings so far."""

    file: str
    document: Document
    limits: Limits
    macros: frozenset[str] = frozenset()
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
        try:
            return parse(joined(text_of(node), self.macros), limits=self.limits, column=column)
        except ExpressionError as problem:
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
