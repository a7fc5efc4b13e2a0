"""The expression grammar against XMILE 1.0, section 3.3, and against Python's own parser where the two agree."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.formats import bundled, expressions, read_model
from flowreform.formats.expressions import ExpressionError, _Quick, depth, parse, qualified
from flowreform.formats.limits import Limits
from flowreform.model import Binary, Call, Expr, Number, Ref, Star, Unary, canonical, fold, walk

a, b, c, d = (Ref(name) for name in "abcd")


def n(value: float) -> Number:
    return Number(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("007", 7), (".5", 0.5), ("5.", 5), ("1e3", 1000), ("1E+3", 1000), ("2.5e-1", 0.25), (" 12\n", 12), ("{half} .5", 0.5)],
)
def test_numbers(text: str, value: float) -> None:
    assert parse(text) == Number(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2^2", Unary("-", Binary("^", n(2), n(2)))),
        ("2^-1", Binary("^", n(2), Unary("-", n(1)))),
        ("2^3^2", Binary("^", n(2), Binary("^", n(3), n(2)))),
        ("a - b - c", Binary("-", Binary("-", a, b), c)),
        ("a / b * c mod d", Binary("mod", Binary("*", Binary("/", a, b), c), d)),
        ("a + b * -c", Binary("+", a, Binary("*", b, Unary("-", c)))),
        ("a < b = c > d", Binary("=", Binary("<", a, b), Binary(">", c, d))),
        ("a <= b <> c >= d", Binary("<>", Binary("<=", a, b), Binary(">=", c, d))),
        ("a OR b AND NOT c", Binary("or", a, Binary("and", b, Unary("not", c)))),
        ("not a = b", Binary("=", Unary("not", a), b)),
        ("NOT (a = b)", Unary("not", Binary("=", a, b))),
        ("a // b + 1", Binary("+", Call("safediv", (a, b)), n(1))),
        ("If a tHEN b ELSE c + 1", Call("if", (a, b, Binary("+", c, n(1))))),
        ("1 + IF a THEN b ELSE IF c THEN d ELSE 2", Binary("+", n(1), Call("if", (a, b, Call("if", (c, d, n(2))))))),
        ("IF a THEN IF b THEN 1 ELSE 2 ELSE 3", Call("if", (a, Call("if", (b, n(1), n(2))), n(3)))),
        ("if_then_else(a, b, c)", Call("if_then_else", (a, b, c))),
        ("iffy + order + android", Binary("+", Binary("+", Ref("iffy"), Ref("order")), Ref("android"))),
        ("TIME + pi", Binary("+", Ref("time"), Ref("pi"))),
        ("f() * F(a, g(1))", Binary("*", Call("f", ()), Call("f", (a, Call("g", (n(1),)))))),
        ("std.MIN(a, b)", Call("min", (a, b))),
        ("a{one}+{two}b", Binary("+", a, b)),
    ],
)
def test_precedence_and_forms(text: str, expected: Expr) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x[a, b]", Ref("x", (a, b))),
        ("x[*]", Ref("x", (Star(),))),
        ("x[Dim.*, 2]", Ref("x", (Star("dim"), n(2)))),
        ("x[1:3]", Ref("x", (Call("range", (n(1), n(3))),))),
        ("x[a + 1]", Ref("x", (Binary("+", a, n(1)),))),
        ("x[Dim.Elem]", Ref("x", (Ref("dim.elem"),))),
        ("curve[a](2)", Call("lookup", (Ref("curve", (a,)), n(2)))),
        ("sum(x[*]) * x[y[a]]", Binary("*", Call("sum", (Ref("x", (Star(),)),)), Ref("x", (Ref("y", (a,)),)))),
    ],
)
def test_subscripts(text: str, expected: Expr) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Länge", "länge"),
        ("病院", "病院"),
        ("_under_$core9", "under_$core9"),
        ('"Open  Beds"', "open_beds"),
        (r'"Open\nBeds"', "open_beds"),
        (r'"say \"hi\" {now} 1,5"', 'say_"hi"_{now}_1,5'),
        ('"a.b"', "a.b"),
        ("Hospital.Open_Beds", "hospital.open_beds"),
        ('Hospital."Open Beds"', "hospital.open_beds"),
        (".cost", ".cost"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert parse(text) == Ref(name)
    assert qualified(text) == name


def test_a_quoted_name_is_the_name_of_the_variable() -> None:
    label = "Aux with $peC!@| characters (see {x})"
    assert parse(f'"{label.replace(" ", "_")}"') == Ref(canonical(label))


def test_columns_count_in_the_line_of_the_file() -> None:
    expr = parse("alpha +\n beta(gamma)", column=21)
    assert isinstance(expr, Binary)
    assert isinstance(expr.left, Ref)
    assert isinstance(expr.right, Call)
    assert (expr.left.column, expr.right.column) == (21, 0)
    assert [part.column for part in (parse("x + y", column=0).left, parse("x + y", column=5000).right)] == [0, 0]  # type: ignore[union-attr]


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("1,5", 2, "decimal comma"),
        ("(1,5)", 3, "decimal comma"),
        ("a,b", 2, "comma stands outside"),
        ("1 2", 3, "two numbers in a row"),
        ("1.5.2", 4, "two numbers in a row"),
        ("open beds", 6, "two names in a row"),
        ("2x", 2, "operator is missing between 2 and x"),
        ("2 (a)", 3, "operator is missing"),
        ("IF a > 3 THEN 1", 16, "IF without ELSE"),
        ("(IF a THEN 1)", 13, "IF without ELSE"),
        ("f(IF a, 1, 2)", 7, "IF without THEN"),
        ("a THEN b", 3, "THEN without IF"),
        ("(a + b", 7, "unbalanced parenthesis"),
        ("a + b)", 6, "unbalanced parenthesis"),
        ("f(a, g(b)", 10, "unbalanced parenthesis"),
        ("x[1", 4, "[ is never closed"),
        ("x[1)", 4, "[ is closed by )"),
        ("a +", 4, "missing after +"),
        ("a + * b", 5, "two operators in a row"),
        ("* a", 1, "at the beginning"),
        ("f(a, )", 6, "missing before )"),
        ("f(, a)", 3, "argument is missing"),
        ("()", 2, "nothing between the brackets"),
        ("a == b", 4, "== is not an operator"),
        ("a ** b", 4, "** is not an operator"),
        ("a && b", 3, "write AND"),
        ("a \u00d7 b", 3, "write *"),
        ("a \u2212 b", 3, "hyphen"),
        ("{never closed", 1, "comment"),
        ("{" * 100_000, 1, "comment"),
        ('"never closed', 1, "quotes is never closed"),
        ("a # b", 3, "no meaning"),
        ("x'", 2, "transposing"),
        ("1e999", 1, "too large"),
        ("2 * 1e999", 5, "too large"),
        ("", 1, "value is missing"),
        ("???", 1, "? stands"),
    ],
)
def test_faults_say_what_and_where(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.column == column
    assert "\n" not in str(caught.value)


def test_a_fault_in_a_later_line_has_that_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("a +\n  b c", column=30)
    assert (caught.value.line, caught.value.column) == (2, 5)


def test_limits_name_themselves_and_the_way_to_raise_them() -> None:
    with pytest.raises(ExpressionError, match=r"1,000 characters, the limit is 999.*FLOWREFORM_MAX_EQUATION_CHARACTERS"):
        parse("1+" * 499 + "12", limits=Limits(equation_characters=999))
    deep = "f(" * 500 + "1" + ")" * 500
    with pytest.raises(ExpressionError, match=r"501 levels deep, the limit is 400.*FLOWREFORM_MAX_NESTING"):
        parse(deep)
    assert depth(parse(deep, limits=Limits(nesting=501))) == 501


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "-" * 100_000 + "1", "1" + "+1" * 90_000, "9" * 100_000, '"' * 99_999, "{" * 100_000]
)
def test_large_nonsense_is_refused(text: str) -> None:
    # quadratic behaviour anywhere would take minutes here
    with pytest.raises(ExpressionError):
        parse(text)


@given(st.text(alphabet=list("ab1.,+-*/^()[]<>=\"{}: '\nIFTHENLSEor_é\u2212"), max_size=40))
def test_any_text_gives_an_expression_or_an_expression_error(text: str) -> None:
    with suppress(ExpressionError):
        parse(text)


# --- a second witness: Python's parser, which ranks + - * / ^ and signs alike ------------------------------------------

_PYTHON: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "^",
    ast.USub: "-",
    ast.UAdd: "+",
}


def by_python(text: str) -> Expr:
    def turn(node: ast.expr) -> Expr:
        match node:
            case ast.Constant(value):
                return Number(float(value))  # type: ignore[arg-type]
            case ast.Name(name):
                return Ref(name)
            case ast.UnaryOp(op, operand):
                return Unary(_PYTHON[type(op)], turn(operand))
            case ast.BinOp(left, op, right):
                return Binary(_PYTHON[type(op)], turn(left), turn(right))
            case ast.Call(ast.Name(name), args):
                return Call(name, tuple(map(turn, args)))
        raise AssertionError(ast.dump(node))

    return turn(ast.parse(text.replace("^", "**"), mode="eval").body)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map(" ".join),
        st.tuples(st.sampled_from("+-"), inner).map("".join),
        inner.map("({})".format),
        st.lists(inner, max_size=3).map(lambda items: f"f({', '.join(items)})"),
    )


@given(st.recursive(st.sampled_from(["a", "b", "1", "2.5", ".5", "1e3"]), _grow, max_leaves=12))
def test_arithmetic_means_what_it_means_in_python(text: str) -> None:
    assert parse(text) == by_python(text)


@given(st.recursive(st.sampled_from(["a", "1"]), _grow, max_leaves=12))
def test_fold_goes_through_everything_once(text: str) -> None:
    count: Callable[[Expr, tuple[int, ...]], int] = lambda _, inside: 1 + sum(inside)  # noqa: E731
    assert fold(parse(text), count) == sum(
        isinstance(node, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call)) for node in _nodes(text)
    ) + (sum(isinstance(node, ast.Name) and node.id == "a" for node in _nodes(text)))


def _nodes(text: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(text.replace("^", "**"), mode="eval")))


# --- the quick parser against the grammar ----------------------------------------------------------------------------

PIECES = [
    "a", "b.c", ".d", '"e f"', "g[x]", "h[*, y:z]", "k[x](2)", "min(a, b)", "f()", "3", "4.5e-3", "5.", "(", ")", "[", "]", ",",
    ":", "+", "-", "*", "/", "//", "^", "=", "<>", "<", "<=", ">", ">=", " mod ", " and ", " or ", " not ", " if ", " then ",
    " else ", " IF a THEN b ELSE c ", "{why}", "\n", " ", "if.x", "x.*", "1e999", "2x", "andy", "\u00a0", "%",
]  # fmt: skip


def by_grammar(text: str, column: int) -> tuple[object, object]:
    """What the grammar alone makes of a text, with the columns of its names."""
    try:
        return shown(expressions._by_grammar(text, column))
    except ExpressionError:
        return None, None


def shown(expr: Expr | None) -> tuple[object, object]:
    return expr, None if expr is None else [getattr(part, "column", None) for part in walk(expr)]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join), st.sampled_from([1, 7, 995, 1000]))
def test_the_quick_parser_agrees_with_the_grammar_or_leaves_it_alone(text: str, column: int) -> None:
    quick = _Quick(text, column).parsed()
    if quick is not None:
        assert shown(quick) == by_grammar(text, column)


def test_the_quick_parser_reads_every_equation_of_the_bundled_models_as_the_grammar_does() -> None:
    texts = {equation.text for name in bundled("models") for variable in read_model(name) for equation in variable.equations}
    quick = {text: _Quick(text, 1).parsed() for text in texts if text.strip()}
    assert sum(expr is None for expr in quick.values()) == 0
    for text, expr in quick.items():
        assert shown(expr) == by_grammar(text, 1), text


def test_a_parser_with_another_precedence_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: AND as loose as OR."""
    monkeypatch.setitem(expressions._LEVELS, "and", 1)
    assert shown(_Quick("a or b and c", 1).parsed()) != by_grammar("a or b and c", 1)
