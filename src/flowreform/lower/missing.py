"""What the modeller wrote as having no value: Vensim's :NA:.

It is NaN, so that whatever is worked out with it is NaN too, and a stock that meets it is a failed run. Compared, it is what
it is in Vensim (a number below all others): equal to itself and less than any value.
"""

from __future__ import annotations

import math

from flowreform.builtins import find
from flowreform.model import Call, Model, Number, Ref, walk
from flowreform.program import Code, Const, Op

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_TRUE, _FALSE = Const(1.0), Const(0.0)


def has_missing(model: Model) -> bool:
    """Does a model write :NA: anywhere, or hold data with gaps?"""
    for variable in model:
        for equation in variable.equations:
            if equation.lookup is not None and any(math.isnan(y) for y in equation.lookup.y):
                return True
            for expr in (equation.expr, equation.initial):
                if expr is not None and any(_is_missing(part) for part in walk(expr)):
                    return True
    return any(
        equation.expr is not None and any(_is_missing(part) for part in walk(equation.expr))
        for macro in model.macros.values()
        for variable in macro.variables
        for equation in variable.equations
    )


def _is_missing(part: object) -> bool:
    if isinstance(part, Number):
        return math.isnan(part.value)
    if isinstance(part, Ref | Call):
        row = find(part.name if isinstance(part, Ref) else part.function)
        return row is not None and (row.name == "nan" or row.name.startswith("vector_"))
    return False


def compared(op: str, a: Code, b: Code) -> Code:
    """A comparison in which either side may be missing."""
    if op in (">", ">="):
        return compared({">": "<", ">=": "<="}[op], b, a)
    if op == "<>":
        return Op("not", (compared("=", a, b),))
    if op == "=":
        return _either(Op("=", (a, b)), _both(_gone(a), _gone(b)))
    if op == "<":
        return _either(Op("<", (a, b)), _both(_gone(a), _negated(_gone(b))))
    return _either(Op("<=", (a, b)), _gone(a))


def _gone(code: Code) -> Code:
    """Is there no value?"""
    if isinstance(code, Const):
        return _TRUE if math.isnan(code.value) else _FALSE
    return Op("<>", (code, code))


def _negated(code: Code) -> Code:
    return {_TRUE: _FALSE, _FALSE: _TRUE}.get(code) if isinstance(code, Const) else Op("not", (code,))  # type: ignore[return-value]


def _both(a: Code, b: Code) -> Code:
    if _FALSE in (a, b):
        return _FALSE
    return b if a == _TRUE else a if b == _TRUE else Op("and", (a, b))


def _either(a: Code, b: Code) -> Code:
    return a if b == _FALSE else b if b == _TRUE else Op("or", (a, b))
