"""The reader of Vensim's expressions against a grammar for lark, over sound and damaged texts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import vensim_grammar
from flowreform.formats.limits import DEFAULT
from flowreform.formats.vensim_equations import Unreadable, parse_expression

FIXTURES = Path(__file__).parent / "fixtures"
PIECES = (
    *(
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "!",
        "-",
        "+",
        "*",
        "/",
        "^",
        "=",
        "<>",
        "<",
        ">=",
        " ",
        "\n",
        "\\\n",
        "\u00a0",
        "@",
        "'",
        '"',
    ),
    *(
        "'x'",
        '"a b"',
        ":AND:",
        ": or :",
        ":NOT:",
        ":NA:",
        "5",
        ".5e-1",
        "x",
        "open beds",
        "x[a!]",
        "f()",
        "y[b, c!]",
        "max(1, x)",
    ),
    *(
        "WITH LOOKUP(",
        "with lookup",
        "WITH LOOKUP(x, ([(0,0)-(1,1)],(0,1),(2,3)))",
        "(0,1)",
        "g[a](",
        "two(x : y, z)",
        "GET(a, '",
    ),
)


def texts() -> list[str]:
    """Right sides of the files at hand, each also with a piece too much and a piece too little; and pieces in any order."""
    chance = random.Random(7)
    found: set[str] = set()
    for path in FIXTURES.rglob("*.mdl"):
        for entry in path.read_bytes().decode("utf-8", "replace").split("|"):
            _, equals, right = entry.partition("~")[0].partition("=")
            if equals and len(right) < 400:
                found.add(right.strip())
    sound = chance.sample(sorted(found), min(len(found), 700))
    damaged = []
    for text in sound:
        at = chance.randrange(len(text) + 1)
        damaged += [text[:at] + chance.choice(PIECES) + text[at:], text[:at] + text[at + chance.randint(1, 4) :]]
    heaps = [chance.choice(("", " ")).join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(4000)]
    return sound + damaged + heaps


def test_the_same_is_read_and_the_same_is_refused() -> None:
    read = refused = 0
    for text in texts():
        try:
            mine: object = parse_expression(text, DEFAULT)
            read += 1
        except Unreadable:
            mine = None
            refused += 1
        assert repr(mine) == repr(vensim_grammar.parse(text)), text
    assert min(read, refused) > 300


@pytest.mark.parametrize("opening", ["(", "-", "f(", ":NOT:", "x^", "WITH LOOKUP(", "g[a]("])
def test_nothing_recurses(opening: str) -> None:
    closing = {"WITH LOOKUP(": ", (0, 1))", "-": "", ":NOT:": "", "x^": ""}.get(opening, ")")
    text = opening * 3_000 + "1" + closing * 3_000
    if opening in ("(", "-"):  # brackets alone leave nothing behind, and a sign is part of the number
        assert parse_expression(text, DEFAULT)
    else:
        with pytest.raises(Unreadable, match="levels deep"):
            parse_expression(text, DEFAULT)
