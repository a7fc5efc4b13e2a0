"""Lines of keys, and faults of files, against texts whose lines are counted by eye or by construction."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.errors import ExperimentError, ModelError
from flowreform.toml import dotted, read_document, toml_lines

TEXT = '''# a comment = 1
top = 1
[a]
x = "text with # and ] and = inside"   # and a comment
"quoted key" = 'literal # ]'
b.c = 2
long = """
[not.a.table]
y = 5
"""
list = [
  1,   # one ]
  { u = 1, "v w" = [2, 3] },
]
[[a.many]]
z = 1990-10-01
[[a.many]]
z = 2
[a.many.deep]
w = {p = 1, q = """quo""te"""", r = \'\'\'
more\'\'\', s = 3}
after = 4
escaped = """a\\""" = 1
[no.table]
\\\\"""
last = 5
'''


def test_every_kind_of_key_has_its_line() -> None:
    lines = toml_lines(TEXT)
    assert set(lines) == _places(tomllib.loads(TEXT))
    assert lines == {
        ("top",): 2,
        ("a",): 3,
        ("a", "x"): 4,
        ("a", "quoted key"): 5,
        ("a", "b"): 6,
        ("a", "b", "c"): 6,
        ("a", "long"): 7,
        ("a", "list"): 11,
        ("a", "list", 0): 12,
        ("a", "list", 1): 13,
        ("a", "list", 1, "u"): 13,
        ("a", "list", 1, "v w"): 13,
        ("a", "list", 1, "v w", 0): 13,
        ("a", "list", 1, "v w", 1): 13,
        ("a", "many"): 15,
        ("a", "many", 0): 15,
        ("a", "many", 0, "z"): 16,
        ("a", "many", 1): 17,
        ("a", "many", 1, "z"): 18,
        ("a", "many", 1, "deep"): 19,
        ("a", "many", 1, "deep", "w"): 20,
        ("a", "many", 1, "deep", "w", "p"): 20,
        ("a", "many", 1, "deep", "w", "q"): 20,
        ("a", "many", 1, "deep", "w", "r"): 20,
        ("a", "many", 1, "deep", "w", "s"): 21,
        ("a", "many", 1, "deep", "after"): 22,
        ("a", "many", 1, "deep", "escaped"): 23,
        ("a", "many", 1, "deep", "last"): 26,
    }


def _places(value: object, loc: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every place in a parsed file: what the standard library says is there."""
    found = {loc} if loc else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= _places(inner, (*loc, key))
    return found


_keys = st.text(st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6)
_values = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=6,
)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n ".join(_written(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


@given(st.dictionaries(_keys, _values, max_size=5), st.booleans())
def test_the_scanner_finds_the_places_the_parser_finds(table: dict[str, object], header: bool) -> None:
    text = ("[head]\n" if header else "") + "".join(f"{_quoted(key)} = {_written(value)} # x\n\n" for key, value in table.items())
    lines = toml_lines(text)
    assert set(lines) == _places(tomllib.loads(text))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_dotted_reads_like_the_file() -> None:
    assert dotted(("targets", "beds", "checks", 0, "year")) == "targets.beds.checks[0].year"


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b"a = 1\nb = = 2\n", 2, "not TOML"),
        (b"a = 1\na = 2\n", 2, "not TOML"),
        (b"a = 1\nb = \xff\n", 2, "UTF-8"),
        (b"a = [1,\n2\n", 3, "not TOML"),
        (b"a = " + b"[" * 5000, 0, "nested"),
        (b"# \n" * 2_000_000, 0, "larger"),
        (b"a = " + b"9" * 5000, 0, "digits"),
    ],
)
def test_a_file_that_is_no_toml_is_one_finding_with_its_line(tmp_path: Path, content: bytes, line: int, word: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_document(path, ModelError)
    (finding,) = caught.value.findings
    assert (finding.file, finding.line) == (str(path), line)
    assert word in finding.reason


def test_a_missing_file_and_a_byte_order_mark(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="cannot be read"):
        read_document(tmp_path / "none.toml", ExperimentError)
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    document = read_document(path, ExperimentError)
    assert document.table == {"a": 1, "b": 2}
    assert document.line(("b", "deeper")) == 2
