"""Emitted text as readable JavaScript, for a page that runs a model without a network and without Python.

The text is the engine's own (`emit`), statement by statement: the same numbered slots, the same order, the same arithmetic, so
that Runge-Kutta, memory, histories and levers over time follow from it. Helpers are translated from their Python source. What is
not known here is refused by name when printing, never in the browser. exp, pow and the like may differ from the C library's by
their last bit: results agree to 1e-9, not to the bit.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Collection, Sequence
from importlib.resources import files

from flowreform import arithmetic
from flowreform.engine import helpers
from flowreform.engine.emit import emit
from flowreform.engine.plan import Plan, plan
from flowreform.engine.pruned import prune, same
from flowreform.errors import ExperimentError, InternalError, error
from flowreform.program import Noise, Program, walk

LANES = 20
"""Runs in a block, and values from one slot to the next."""

RUNTIME = """
function copysign(size, sign) {
  return (sign < 0 || Object.is(sign, -0)) === (size < 0 || Object.is(size, -0)) ? size : -size;
}

// The C library's pow where it is not JavaScript's.
function pow(a, b) {
  return a === 1 || (a === -1 && (b === Infinity || b === -Infinity)) ? 1 : Math.pow(a, b);
}

// The runs of a block into an array of [row, time, run].
function row(out, i, m, column, s, cell) {
  const at = (i * out.middle + m) * out.width + column;
  for (let r = 0; r < R; r += 1) {
    out.data[at + r] = s[cell + r];
  }
}
"""

_MATH = {
    "exp": "Math.exp", "log": "Math.log", "log10": "Math.log10", "sqrt": "Math.sqrt", "sin": "Math.sin", "cos": "Math.cos",
    "tan": "Math.tan", "asin": "Math.asin", "acos": "Math.acos", "atan": "Math.atan", "sinh": "Math.sinh", "cosh": "Math.cosh",
    "tanh": "Math.tanh", "pow": "pow", "copysign": "copysign",
}  # fmt: skip
_PLAIN = {"abs": "Math.abs", "int": "Math.trunc", "row": "row"}
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.RShift: ">>", ast.BitAnd: "&&", ast.BitOr: "||"}
_COMPARE = {ast.Eq: "===", ast.NotEq: "!==", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_CONSTANTS = {"INFINITY": "Infinity", "NAN": "NaN"}
_GLOBALS = frozenset({"R", "W", "tab", "X", "Y", "M", "P", "N", "K", *_CONSTANTS})


def javascript(program: Program, keep: Sequence[int], drawn: Collection[int] = (), every: int = 1) -> tuple[str, Plan]:
    """A JavaScript function body that returns what `host.js` runs, and the plan it was printed from.

    `keep` are the slots whose values come back, in the plan's order; `drawn` the input slots that differ between the runs of a
    block, all others being the same in it. Raises ExperimentError for a program that a browser cannot run."""
    if program.noises or any(isinstance(part, Noise) for s in (*program.constant, *program.step) for part in walk(s.code)):
        reason = "the model has random functions, which a page cannot repeat"
        raise ExperimentError(error("page-noise", reason, "take the random functions out, or run it with `flowreform run`"))
    small = prune(program, keep)
    made = plan(small, keep, every)
    text = emit(small, keep, LANES, same(small, drawn) if drawn else ())
    return _module(made, text.source, text.slots, text.first_literal, text.literals, text.alarm), made


def _module(made: Plan, source: str, slots: int, first: int, literals: Sequence[float], alarm: int) -> str:
    tree = ast.parse(source)
    needed = _helpers(tree)
    tables = {"tab": made.tab, "X": made.X, "Y": made.Y, "M": made.M, "P": made.P, "N": made.N, "K": made.K}
    parts = [f'"use strict";\nconst R = {LANES};\nconst W = {LANES};']
    parts += [f"const {name} = [{', '.join(map(_number, values))}];" for name, values in tables.items()]
    parts.append(RUNTIME.strip("\n"))
    parts += [_function(found) for found in needed.values()]
    parts += [_function(found) for found in tree.body if isinstance(found, ast.FunctionDef)]
    facts: dict[str, object] = {
        "slots": slots,
        "first": first,
        "alarm": alarm,
        "where": made.where,
        "early": made.early,
        "late": made.late,
        "every": made.every,
        "steps": made.program.steps,
        "times": len(made.times),
        "remembered": made.program.remembered,
    }
    record = ", ".join(f"{name}: {json.dumps(value)}" for name, value in facts.items())
    parts.append(f"return {{ R, run, tab, X, Y, M, P, N, K, literals: [{', '.join(map(_number, literals))}], {record} }};")
    return "\n\n".join(parts) + "\n"


def printed(functions: Sequence[Callable[..., object]]) -> str:
    """Plain Python functions of numbers as JavaScript; records are read by the names of their fields.

    They may call each other, and are written in the subset that helpers of the engine use. Raises InternalError for the rest."""
    found = [ast.parse(textwrap.dedent(inspect.getsource(function))).body[0] for function in functions]
    return "\n\n".join(_function(part) for part in found if isinstance(part, ast.FunctionDef)) + "\n"


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (arithmetic.INFINITY, -arithmetic.INFINITY):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _helpers(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The functions that the text calls and does not define, and those that they call, each after what it needs."""
    own = {found.name for found in tree.body if isinstance(found, ast.FunctionDef)}
    done: dict[str, ast.FunctionDef] = {}

    def need(node: ast.AST) -> None:
        for name in _calls(node):
            if name in own or name in done or name in _PLAIN or name in ("range", "float"):
                continue
            found = _source(name)
            need(found)
            done[name] = found

    need(tree)
    return done


def _calls(node: ast.AST) -> list[str]:
    return [part.func.id for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]


def _source(name: str) -> ast.FunctionDef:
    function: Callable[..., object] | None = getattr(helpers, name, None) or getattr(arithmetic, name, None)
    if function is None or not inspect.isfunction(function):
        reason = f"the function {name} of the model's text has no JavaScript"
        raise ExperimentError(error("page-function", reason, "run the model with `flowreform run`"))
    native = arithmetic.NATIVE.get(function, function)
    found = ast.parse(textwrap.dedent(inspect.getsource(native))).body[0]
    assert isinstance(found, ast.FunctionDef)
    found.name = name
    return found


# --- statements ------------------------------------------------------------------------------------------------------


def _function(found: ast.FunctionDef) -> str:
    names = [argument.arg for argument in found.args.args]
    printer = _Printer(found.name, set(names))
    printer.block(found.body, 1)
    return f"function {found.name}({', '.join(names)}) {{\n" + "\n".join(printer.lines) + "\n}"


class _Printer:
    """Prints one function; a name is declared where it is first assigned, and refused where it would not be visible."""

    def __init__(self, name: str, arguments: set[str]) -> None:
        self.name = name
        self.scopes: list[set[str]] = [arguments]
        self.lines: list[str] = []

    def block(self, body: Sequence[ast.stmt], depth: int) -> None:
        for statement in body:
            self.statement(statement, depth)

    def inside(self, body: Sequence[ast.stmt], depth: int, names: Collection[str] = ()) -> None:
        self.scopes.append(set(names))
        self.block(body, depth + 1)
        self.scopes.pop()

    def visible(self, name: str) -> bool:
        return any(name in scope for scope in self.scopes)

    def add(self, depth: int, line: str) -> None:
        self.lines.append("  " * depth + line)

    def statement(self, statement: ast.stmt, depth: int) -> None:
        match statement:
            case ast.Pass() | ast.Expr(ast.Constant()):
                return
            case ast.Expr(value):
                self.add(depth, f"{self.value(value)};")
            case ast.Assign([ast.Name(name)], value):
                text = self.value(value)
                self.add(depth, f"{'' if self.visible(name) else 'let '}{name} = {text};")
                if not self.visible(name):
                    self.scopes[-1].add(name)
            case ast.Assign([ast.Subscript() as target], value):
                self.add(depth, f"{self.value(target)} = {self.value(value)};")
            case ast.AugAssign(ast.Name(name), ast.Add() | ast.Sub() as operator, value) if self.visible(name):
                self.add(depth, f"{name} {_BINARY[type(operator)]}= {self.value(value)};")
            case ast.For(ast.Name(index), ast.Call(ast.Name("range"), bounds), body):
                self.loop(index, [self.value(bound) for bound in bounds], body, depth)
            case ast.While(test, body):
                self.declare(body, depth)
                self.add(depth, f"while ({self.value(test)}) {{")
                self.inside(body, depth)
                self.add(depth, "}")
            case ast.If():
                self.branch(statement, depth, "if")
            case ast.Return(value) if value is not None:
                self.add(depth, f"return {self.value(value)};")
            case ast.Break():
                self.add(depth, "break;")
            case _:
                raise self.unknown(statement)

    def branch(self, statement: ast.If, depth: int, word: str) -> None:
        if word == "if":
            self.declare([statement], depth)
        self.add(depth, f"{word} ({self.value(statement.test)}) {{")
        self.inside(statement.body, depth)
        match statement.orelse:
            case []:
                self.add(depth, "}")
            case [ast.If() as following]:
                self.branch(following, depth, "} else if")
            case otherwise:
                self.add(depth, "} else {")
                self.inside(otherwise, depth)
                self.add(depth, "}")

    def declare(self, body: Sequence[ast.stmt], depth: int) -> None:
        """Names first assigned within a branch, which Python lets stand after it."""
        for part in (part for statement in body for part in ast.walk(statement)):
            if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name) and not self.visible(part.targets[0].id):
                self.add(depth, f"let {part.targets[0].id};")
                self.scopes[-1].add(part.targets[0].id)

    def loop(self, index: str, bounds: Sequence[str], body: Sequence[ast.stmt], depth: int) -> None:
        first, last = ("0", bounds[0]) if len(bounds) == 1 else bounds
        own = () if self.visible(index) else (index,)
        self.add(depth, f"for ({'let ' if own else ''}{index} = {first}; {index} < {last}; {index} += 1) {{")
        self.inside(body, depth, own)
        self.add(depth, "}")

    # --- values

    def value(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(bool() as truth):
                return "true" if truth else "false"
            case ast.Constant(int() | float() as number):
                return _number(number)
            case ast.Name(name) if name in _CONSTANTS:
                return _CONSTANTS[name]
            case ast.Name(name) if name in _GLOBALS or self.visible(name):
                return name
            case ast.BinOp():
                return self.binary(node)
            case ast.UnaryOp(ast.USub(), operand):
                return f"(-{self.value(operand)})"
            case ast.UnaryOp(ast.Not(), operand):
                return f"!({self.value(operand)})"
            case ast.BoolOp(operator, values):
                return "(" + (" && " if isinstance(operator, ast.And) else " || ").join(map(self.value, values)) + ")"
            case ast.Compare(left, operators, others):
                return self.compare(left, operators, others)
            case ast.IfExp(test, body, otherwise):
                return f"({self.value(test)} ? {self.value(body)} : {self.value(otherwise)})"
            case ast.Subscript(ast.Attribute(ast.Name(name), "shape"), ast.Constant(0)) if self.visible(name):
                return f"{name}.length"
            case ast.Subscript((ast.Name() | ast.Attribute()) as array, index):
                return self.element(self.value(array), index)
            case ast.Attribute(value, name):
                return f"{self.value(value)}.{name}"
            case ast.Call(ast.Name("float"), [ast.Constant("inf")]):
                return "Infinity"
            case ast.Call(ast.Name("float"), [inner]):
                return self.value(inner)
            case ast.Call(ast.Name(name), args):
                return f"{_PLAIN.get(name, name)}({', '.join(map(self.value, args))})"
            case ast.Call(ast.Attribute(ast.Name("math"), name), args) if name in _MATH:
                return f"{_MATH[name]}({', '.join(map(self.value, args))})"
        raise self.unknown(node)

    def binary(self, node: ast.BinOp) -> str:
        """A chain of operators from the left, however long, without going deep."""
        chain: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            chain.append(left)
            left = left.left
        text, known = self.value(left), left.value if isinstance(left, ast.Constant) else None
        for link in reversed(chain):
            right = link.right
            if (
                type(known) is int
                and isinstance(link.op, ast.Mult)
                and isinstance(right, ast.Constant)
                and type(right.value) is int
            ):
                known = known * right.value
                text = str(known)
                continue
            sign = _BINARY.get(type(link.op))
            if sign is None:
                raise self.unknown(link)
            text, known = f"({text} {sign} {self.value(link.right)})", None
        return text

    def compare(self, left: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]) -> str:
        sides = [self.value(side) for side in (left, *others)]
        signs = [_COMPARE.get(type(operator)) for operator in operators]
        if None in signs:
            raise self.unknown(ast.Compare(left, list(operators), list(others)))
        return "(" + " && ".join(f"{a} {sign} {b}" for a, sign, b in zip(sides, signs, sides[1:], strict=False)) + ")"

    def element(self, array: str, index: ast.expr) -> str:
        """`s[cell]`; of arrays with two or three dimensions the place in their one row of numbers."""
        if not isinstance(index, ast.Tuple):
            return f"{array}[{_bare(self.value(index))}]"
        places = [self.value(part) for part in index.elts]
        at = places[0] if len(places) == 2 else f"({places[0]} * {array}.middle + {places[1]})"
        return f"{array}.data[{at} * {array}.width + {places[-1]}]"

    def unknown(self, node: ast.AST) -> InternalError:
        return InternalError(f"{self.name}: no JavaScript for: {ast.unparse(node)}")


def _bare(text: str) -> str:
    """Without the parentheses around the whole, where one pair encloses it."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return text[1:-1] if place == len(text) - 1 else text
    return text


def host() -> str:
    """The JavaScript that runs a printed model for many sets of inputs."""
    return files("flowreform.engine").joinpath("host.js").read_text("utf-8")


__all__ = ["LANES", "host", "javascript", "printed"]
