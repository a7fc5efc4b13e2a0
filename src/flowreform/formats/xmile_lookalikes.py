"""Names that are different and look the same: the Latin `a` and the Cyrillic one, a wide letter and a plain one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from flowreform.errors import shorten
from flowreform.formats.xmile_nodes import Reading
from flowreform.model import Variable

_CYRILLIC = "АаВЕеЅѕІіЈјКМНОоРрСсТУуХхԁһӏ"
_LATIN_FOR_CYRILLIC = "AaBEeSsIiJjKMHOoPpCcTYyXxdhl"
_GREEK = "ΑΒΕΖΗΙΚΜΝΟοΡΤΥΧνι"
_LATIN_FOR_GREEK = "ABEZHIKMNOoPTYXvi"
_TWINS = str.maketrans(_CYRILLIC + _GREEK, _LATIN_FOR_CYRILLIC + _LATIN_FOR_GREEK)


def appearance(label: str) -> str:
    """What a name looks like on the page: compatibility forms and letters of like shape are one."""
    plain = unicodedata.normalize("NFKC", label).translate(_TWINS)
    return " ".join(plain.replace("_", " ").replace("\\n", " ").split()).casefold()


def warn_of_lookalikes(variables: Iterable[Variable], reading: Reading) -> None:
    """One warning for each set of names that differ and look the same."""
    seen: dict[str, list[Variable]] = {}
    for variable in variables:
        if not variable.label.isascii():
            seen.setdefault(appearance(variable.label), [])
    if not seen:
        return
    for variable in variables:
        if (key := appearance(variable.label)) in seen:
            seen[key].append(variable)
    for alike in seen.values():
        if len(alike) > 1:
            first, last = alike[0], alike[-1]
            others = " and ".join(f'"{shorten(other.label)}" of line {other.line}' for other in alike[:-1])
            letter = next((new for old, new in zip(first.label, last.label, strict=False) if old != new), last.label[-1])
            reason = f"the name looks like {others} and is another: it has {unicodedata.name(letter, 'another letter')}"
            reading.warn("lookalike-names", reason, "rename one of them", at=last.line, element=last.label)
