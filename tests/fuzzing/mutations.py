"""Damaged model files: sound ones with a few changes that a hand, a cable or somebody hostile could have made.

Everything follows from a seed, so that a case can be made again. Nothing here knows what a change does to a model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

_TOKEN = re.compile(rb"[A-Za-z_][\w.$]*|\d+\.?\d*(?:[eE][+-]?\d+)?|\s+|.", re.DOTALL)
_NUMBER = re.compile(rb"\d+\.?\d*(?:[eE][+-]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_][\w $]*[\w$]")
_TAG = re.compile(rb"<[^<>]{1,200}>")
_LARGEST = 300_000
"""Bytes of a case; a larger one is cut off."""

NUMBERS = tuple(
    b"0 1 -1 2 0.5 -0.0 1e-9 1e9 1e308 1e309 -1e309 5e-324 1e-400 99999999999999999999 007 1e 1e+ 1.2.3 1,5 .5 5. 0x10 NaN inf "
    b"-inf 1_000 1e5000 2147483648 9223372036854775808 4294967296 65536 1/0 0/0".split()
)

WORDS = tuple(
    b"time dt pi inf nan if then else and or not mod abs min max sum mean prod size rank step pulse ramp delay delay1 delay3 "
    b"delayn smth1 smth3 smthn trend forcst init previous safediv self lookup stock flow aux gf module connect".split()
)

XMILE = (
    b"<eqn/>",
    b"<eqn></eqn>",
    b"<eqn>???</eqn>",
    b"<gf/>",
    b"<gf><xscale min='0' max='1'/><ypts>0,1</ypts></gf>",
    b"<ypts/>",
    b"<xpts>1,1,1</xpts>",
    b"<dimensions><dim name='x'/></dimensions>",
    b"<element subscript='a'><eqn>1</eqn></element>",
    b"<element/>",
    b"<conveyor><len>4</len></conveyor>",
    b"<queue/>",
    b"<leak/>",
    b"<overflow/>",
    b"<inflow>a</inflow>",
    b"<outflow>a</outflow>",
    b"<non_negative/>",
    b"<module name='m'/>",
    b"<connect to='a' from='b'/>",
    b"<dim name='d' size='3'/>",
    b"<dim name='d' size='-1'/>",
    b"<dim name='d' size='1000000000'/>",
    b"<elem name=''/>",
    b"<elem name='a'/>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"&#0;",
    b"&#x110000;",
    b"&lt;",
    b"&",
    b"<macro name='m'><parm>x</parm><eqn>m(x)</eqn></macro>",
    b"<parm default='1'>x</parm>",
    b"<units>1/</units>",
    b"<range min='1' max='0'/>",
    b"<format/>",
    b"<init_eqn>1</init_eqn>",
    b"<capacity>1</capacity>",
    b"<in_limit>1</in_limit>",
    b"<sample>1</sample>",
    b"<arrest>1</arrest>",
    b"<dt reciprocal='true'>0</dt>",
    b"<dt>0</dt>",
    b"<stop>1e309</stop>",
    b"[",
    b"]",
    b"[*]",
    b"[1:3]",
    b"[a, b]",
    b"(",
    b")",
    b"((",
    b"{",
    b"}",
    b'"',
    b"'",
    b"\\n",
    b"\\",
    b"^",
    b"**",
    b"//",
    b":=",
    b"<>",
    b"IF a THEN b ELSE c",
    b"SUM(a[*])",
    b"a[a[a[1]]]",
    b"SELF",
    b"PREVIOUS(SELF, 0)",
    b"DELAYN(a, 1, 1000000)",
    b"SMTHN(a, 1, 1e9)",
)

MDL = (
    b"|",
    b"~",
    b"~ ~|",
    b"~~|\n",
    b":EXCEPT:",
    b":MACRO:",
    b":END OF MACRO:",
    b":RAW:",
    b":INTERPOLATE:",
    b":HOLD BACKWARD:",
    b":SUPPLEMENTARY",
    b":NA:",
    b":AND:",
    b":OR:",
    b":NOT:",
    b":=",
    b"==",
    b"<->",
    b"->",
    b"!",
    b"[",
    b"]",
    b"[a!]",
    b"(a1-a9)",
    b"(a1-a99999999)",
    b"(a9-a1)",
    b"{UTF-8}",
    b"{",
    b"}",
    b'"',
    b"'",
    b"\\",
    b"\\\n",
    b"\\\\\\---///",
    b":L<%^E!@",
    b"15:0,0,0,1,0",
    b"$",
    b"@",
    b"((",
    b"))",
    b",,",
    b"INTEG(",
    b"INTEG(a, 1)",
    b"DELAY FIXED(a, 1e9, 0)",
    b"DELAY N(a, 1, 1, 1e9)",
    b"SMOOTH N(a, 1, 1, 1000000)",
    b"WITH LOOKUP(Time, ([(0,0)-(1,1)],(0,0),(1,1)))",
    b"GET XLS DATA('../a.xls','b','c','d2')",
    b"GET DIRECT CONSTANTS('?a','b','c1')",
    b"GET DIRECT DATA('/etc/passwd',',','A','B2')",
    b"TABBED ARRAY(1 2 3)",
    b"GAME(",
    b"A FUNCTION OF(a)",
    b"VECTOR SELECT(a,b,c,0,0)",
    b"ALLOCATE AVAILABLE(a,b,c)",
    b"SAMPLE IF TRUE(a,b,c)",
    b"ACTIVE INITIAL(a, b)",
    b"INITIAL(",
    b"PULSE TRAIN(1,1,0,9)",
    b"IF THEN ELSE(",
    b"STEP(1, 1)",
    b"-2^2",
    b"1/0",
    b"XIDZ(1,0,1)",
    b"TIME STEP = 0 ~~|",
    b"FINAL TIME = 1e309 ~~|",
    b"a = a ~~|",
)

Change = Callable[[bytes, random.Random, Sequence[bytes], Sequence[bytes]], bytes]


def _spot(data: bytes, rng: random.Random) -> int:
    return rng.randrange(len(data) + 1)


def _span(data: bytes, rng: random.Random, longest: int = 200) -> tuple[int, int]:
    start = _spot(data, rng)
    return start, min(len(data), start + rng.randint(1, max(1, rng.choice((3, 20, longest)))))


def _pick(pattern: re.Pattern[bytes], data: bytes, rng: random.Random) -> re.Match[bytes] | None:
    """A match somewhere in the text, without looking through all of it."""
    start = _spot(data, rng)
    return pattern.search(data, start) or pattern.search(data)


def flip(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """One byte becomes another."""
    at = _spot(data, rng)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def drop(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A few bytes are lost."""
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def double(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A few bytes stand there twice, or many times."""
    start, end = _span(data, rng, 60)
    return data[:end] + data[start:end] * rng.choice((1, 1, 1, 2, 50, 500)) + data[end:]


def insert(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A piece of the format's own is written anywhere."""
    at = _spot(data, rng)
    return data[:at] + rng.choice(words) * rng.choice((1, 1, 1, 1, 1, 2, 30, 600)) + data[at:]


def number(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A number becomes one at the edge of what numbers are."""
    found = _pick(_NUMBER, data, rng)
    return data if found is None else data[: found.start()] + rng.choice(NUMBERS) + data[found.end() :]


def word(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A name becomes another of the file, or a word of the language."""
    found, other = _pick(_WORD, data, rng), _pick(_WORD, data, rng)
    if found is None or other is None:
        return data
    new = other[0] if rng.random() < 0.7 else rng.choice(WORDS)
    return data[: found.start()] + new + data[found.end() :]


def tag(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A tag becomes another of the file, or goes."""
    found, other = _pick(_TAG, data, rng), _pick(_TAG, data, rng)
    if found is None or other is None:
        return word(data, rng, words, pool)
    new = other[0] if rng.random() < 0.7 else b""
    return data[: found.start()] + new + data[found.end() :]


def line(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A line moves, is lost or stands there twice."""
    lines = data.split(b"\n")
    taken = lines.pop(rng.randrange(len(lines)))
    for _ in range(rng.choice((0, 1, 1, 2))):
        lines.insert(rng.randrange(len(lines) + 1), taken)
    return b"\n".join(lines)


def token(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """Two pieces of a short stretch change places."""
    start = _spot(data, rng)
    parts = _TOKEN.findall(data[start : start + 300])
    if len(parts) < 2:
        return data
    i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[i], parts[j] = parts[j], parts[i]
    return data[:start] + b"".join(parts) + data[start + 300 :]


def splice(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """A stretch of another file stands in the middle of this one."""
    other = rng.choice(pool)
    start, end = _span(other, rng, 2_000)
    at, upto = _span(data, rng, 2_000)
    return data[:at] + other[start:end] + data[rng.choice((at, upto)) :]


def cut(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """The file ends too early."""
    return data[: _spot(data, rng)]


def nest(data: bytes, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> bytes:
    """Something stands inside many brackets."""
    found = _pick(_WORD if rng.random() < 0.5 else _NUMBER, data, rng)
    if found is None:
        return data
    opening, closing = rng.choice(
        ((b"(", b")"), (b"[", b"]"), (b"-", b""), (b"MAX(1,", b")"), (b"NOT ", b""), (b"1+(", b")"), (b"2^", b""))
    )
    depth = rng.choice((2, 10, 300, 450, 5_000))
    return data[: found.start()] + opening * depth + found[0] + closing * depth + data[found.end() :]


CHANGES: tuple[Change, ...] = (
    flip,
    drop,
    double,
    insert,
    insert,
    number,
    number,
    word,
    word,
    word,
    tag,
    tag,
    line,
    line,
    token,
    token,
    splice,
    cut,
    nest,
)


def seeds(folders: Sequence[Path], suffixes: Sequence[str], largest: int = 60_000) -> list[Path]:
    """The model files to start from."""
    found = [path for folder in folders for suffix in suffixes for path in folder.rglob(f"*{suffix}")]
    return sorted(path for path in found if path.is_file() and path.stat().st_size <= largest)


def damage(number: int, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Case `number`: one of the files after one to six changes."""
    rng = random.Random(number)
    data = rng.choice(pool)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        data = rng.choice(CHANGES)(data or b" ", rng, words, pool)
    return data[:_LARGEST]
