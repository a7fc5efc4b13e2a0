"""Emitted phases straight to LLVM's instructions, past numba's type inference.

A phase of emitted text (`fixed_0`, `begin_0`, `advance_3`) is a few hundred assignments of floats inside counted loops. To
numba each of them is a dozen statements to be typed and lowered, which was nine tenths of the wait for a kernel. Here the same
text is translated directly: a float is a double, an index an i64, a condition an i1; `+`, `-`, `*`, `/` and comparisons are the
instructions that numba would write, without any fast-math flag, so that the bits stay those of CPython.

Helpers that only compare, select and calculate are written out in place from their own source; the others are compiled by
numba and called. A choice between two values is a select, which a compiler can vectorise, unless one of them calls something.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils as tools
from numba.core import types
from numba.extending import intrinsic

from flowreform.engine.memory import LINE
from flowreform.errors import InternalError

cgutils: Any = tools  # which has no types of its own

SMALL = 100
"""Assignments and loops in a function that may be written into the loop over time: its constants are then fetched once a block
and not once a step, which a short step feels. Larger ones stay apart, for the optimiser's sake."""

DOUBLE, INT, BOOL = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
Value = tuple[Any, Any]
"""A numba type (float64, int64, boolean or an array's) and the instruction or constant that has the value."""

_ARITHMETIC = {
    ast.Add: (ir.IRBuilder.fadd, ir.IRBuilder.add),
    ast.Sub: (ir.IRBuilder.fsub, ir.IRBuilder.sub),
    ast.Mult: (ir.IRBuilder.fmul, ir.IRBuilder.mul),
}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_PLAIN = (
    ast.Return, ast.If, ast.Assign, ast.Expr, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.BoolOp,
    ast.Load, ast.Store, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.Not, ast.And, ast.Or, ast.BitAnd, ast.BitOr,
    *_COMPARE,
)  # fmt: skip


class Helpers:
    """What emitted text may call: compiled by numba, and for the plain ones the source to write out in place."""

    def __init__(self, compiled: Mapping[str, Any], constants: Mapping[str, float]) -> None:
        self.compiled, self.constants = compiled, constants
        self._bodies: dict[str, ast.FunctionDef | None] = {}

    def body(self, name: str) -> ast.FunctionDef | None:
        """The source of a plain helper: assignments, `if ...: return`, `return`; None for any other."""
        if name not in self._bodies:
            source = textwrap.dedent(inspect.getsource(self.compiled[name].py_func.__code__))
            found = ast.parse(source).body[0]
            assert isinstance(found, ast.FunctionDef)
            self._bodies[name] = found if all(map(self._is_plain, found.body)) else None
        return self._bodies[name]

    def _is_plain(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.If) and not (isinstance(statement.body[-1], ast.Return) and not statement.orelse):
            return False
        return all(isinstance(part, _PLAIN) for part in ast.walk(statement))

    def calls(self, node: ast.expr) -> bool:
        """Does an expression call anything that is not written out in place?"""
        names = [part.func.id for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]
        return any(name != "float" and self.body(name) is None for name in names)


def decorator(helpers: Helpers) -> Callable[[Callable[..., None]], Any]:
    """The decorator of a phase. The text it stands in is the global `TEXT` of its module."""

    def straight(function: Callable[..., None]) -> Any:
        name = function.__name__

        def phase(typing: Any, s: Any, tab: Any, X: Any, Y: Any, M: Any, P: Any, N: Any, K: Any, drive: Any, hist: Any,
                  t: Any, h: Any, n: Any) -> Any:  # fmt: skip
            module = function.__globals__

            def generate(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
                tree = _definition(module["TEXT"], name)
                wanted = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
                given = {
                    argument.arg: (kind, value)
                    for argument, kind, value in zip(tree.args.args, signature.args, args, strict=True)
                    if argument.arg in wanted
                }
                full = f"straight.{name}"
                found = builder.module.globals.get(full)
                if found is None:
                    settings = {"R": module["R"], "W": module["W"]}
                    found = _define(context, builder.module, full, tree, given, helpers, settings)
                _align(builder.function)  # into which a short phase may be written
                data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
                builder.call(found, [data, *(value for _, value in given.values())])
                return context.get_dummy_value()

            integer, real = types.int64, types.float64
            return types.void(s, tab, X, Y, M, P, N, K, drive, hist, real, integer, integer), generate

        phase.__name__ = name
        return intrinsic(phase)

    return straight


def _align(function: Any) -> None:
    """Let a function's stack start with a cache line: what does not fit into registers lies there, vector by vector."""
    function.attributes.alignstack = LINE
    function.attributes.add("nounwind")  # llvmlite writes no alignment where there is no other attribute


def _definition(text: str, name: str) -> ast.FunctionDef:
    start = text.index(f"def {name}(")
    end = text.find("\n@", start)
    found = ast.parse(text[start : end if end > 0 else None]).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def _define(
    context: Any, module: Any, name: str, tree: ast.FunctionDef, given: Mapping[str, Value], helpers: Helpers,
    settings: Mapping[str, int],
) -> Any:  # fmt: skip
    """The function of a phase, which takes only what its text names: an array is seven words on the stack, and a short step
    is over in the time that nine of them take. State comes as a bare pointer first, so that nothing is taken to overlap it."""
    data = ir.PointerType(DOUBLE)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [data, *(value.type for _, value in given.values())]), name)
    function.linkage = "internal"
    if sum(isinstance(part, ast.Assign | ast.For) for part in ast.walk(tree)) > SMALL:
        function.attributes.add("noinline")
    _align(function)
    whole = any(
        isinstance(part, ast.Call) and any(isinstance(a, ast.Name) and a.id == "s" for a in part.args) for part in ast.walk(tree)
    )
    if not whole:  # a helper that is handed the whole state reaches it by another way
        function.args[0].add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    names: dict[str, Value] = {
        argument: (kind, value) for (argument, (kind, _)), value in zip(given.items(), function.args[1:], strict=True)
    }
    names |= {key: (types.int64, INT(value)) for key, value in settings.items()}
    names |= {key: (types.float64, DOUBLE(value)) for key, value in helpers.constants.items()}
    _Phase(context, builder, function.args[0], names, helpers).block(tree.body)
    builder.ret_void()
    return function


class _Phase:
    """Writes statements at the end of a function."""

    def __init__(self, context: Any, builder: Any, state: Any, names: dict[str, Value], helpers: Helpers) -> None:
        self.context, self.builder, self.state, self.names, self.helpers = context, builder, state, names, helpers

    # --- statements

    def block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self.names[name] = self.value(value)
                case ast.Assign([ast.Subscript(ast.Name("s"), index)], value):
                    number = self.real(self.value(value))
                    self.builder.store(number, self.cell(index))
                case ast.For(ast.Name(name), ast.Call(ast.Name("range"), bounds), inner, _):
                    self.loop(name, [self.value(bound)[1].constant for bound in bounds], inner)
                case ast.Pass():
                    pass
                case _:
                    raise InternalError(f"emitted text that no instruction stands for: {ast.unparse(statement)}")

    def loop(self, index: str, bounds: Sequence[int], body: Sequence[ast.stmt]) -> None:
        """A counted loop; what it assigns anew and was there before is carried from turn to turn."""
        first, last = (0, bounds[0]) if len(bounds) == 1 else bounds
        if first >= last:
            return
        builder = self.builder
        carried = [name for name in dict.fromkeys(_assigned(body)) if name in self.names]
        before = builder.block
        inside = builder.append_basic_block(f"{index}.loop")
        builder.branch(inside)
        builder.position_at_end(inside)
        counter = builder.phi(INT, index)
        counter.add_incoming(INT(first), before)
        self.names[index] = (types.int64, counter)
        phis = {}
        for name in carried:
            kind, value = self.names[name]
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            phis[name] = phi
            self.names[name] = (kind, phi)
        self.block(body)
        end = builder.block
        following = builder.add(counter, INT(1), flags=("nsw", "nuw"))
        counter.add_incoming(following, end)
        for name, phi in phis.items():
            phi.add_incoming(self.names[name][1], end)
        after = builder.append_basic_block(f"{index}.after")
        builder.cbranch(builder.icmp_signed("<", following, INT(last)), inside, after)
        builder.position_at_end(after)

    # --- values

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(bool() as truth):
                return types.boolean, BOOL(truth)
            case ast.Constant(int() as number):
                return types.int64, INT(number)
            case ast.Constant(float() as number):
                return types.float64, DOUBLE(number)
            case ast.Name(name):
                return self.names[name]
            case ast.BinOp():
                return self.operate(node)
            case ast.UnaryOp(ast.USub(), operand):
                return self.negative(operand)
            case ast.UnaryOp(ast.Not(), operand):
                return types.boolean, self.builder.not_(self.truth(operand))
            case ast.Compare(left, operators, others):
                return types.boolean, self.compare(left, operators, others)
            case ast.BoolOp(operator, parts):
                join = self.builder.and_ if isinstance(operator, ast.And) else self.builder.or_
                total = self.truth(parts[0])
                for part in parts[1:]:
                    total = join(total, self.truth(part))
                return types.boolean, total
            case ast.IfExp(test, body, otherwise):
                return self.choose(test, body, otherwise)
            case ast.Subscript(ast.Name("s"), index):
                return types.float64, self.builder.load(self.cell(index))
            case ast.Subscript(ast.Name(name), index):
                return self.element(self.names[name], index)
            case ast.Call(ast.Name("float"), [inner]):
                return types.float64, self.real(self.value(inner))
            case ast.Call(ast.Name(name), args):
                return self.call(name, [self.value(arg) for arg in args])
        raise InternalError(f"emitted text that no instruction stands for: {ast.unparse(node)}")

    def real(self, value: Value) -> Any:
        kind, number = value
        return number if kind == types.float64 else self.builder.sitofp(number, DOUBLE)

    def truth(self, node: ast.expr) -> Any:
        kind, value = self.value(node)
        assert kind == types.boolean, ast.unparse(node)
        return value

    def operate(self, node: ast.BinOp) -> Value:
        """A chain of operators from the left, however long, without going deep."""
        chain: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            chain.append(left)
            left = left.left
        total = self.value(left)
        for link in reversed(chain):
            total = self.combine(link.op, total, self.value(link.right))
        return total

    def combine(self, operator: ast.operator, a: Value, b: Value) -> Value:
        builder = self.builder
        if isinstance(operator, ast.BitAnd | ast.BitOr):
            return types.boolean, (builder.and_ if isinstance(operator, ast.BitAnd) else builder.or_)(a[1], b[1])
        if isinstance(operator, ast.Div):
            return types.float64, builder.fdiv(self.real(a), self.real(b))
        of_reals, of_integers = _ARITHMETIC[type(operator)]
        if a[0] == b[0] == types.int64:
            if isinstance(a[1], ir.Constant) and isinstance(b[1], ir.Constant):
                x, y = a[1].constant, b[1].constant
                return types.int64, INT({ast.Add: x + y, ast.Sub: x - y, ast.Mult: x * y}[type(operator)])
            return types.int64, of_integers(builder, a[1], b[1], flags=("nsw",))
        return types.float64, of_reals(builder, self.real(a), self.real(b))

    def negative(self, operand: ast.expr) -> Value:
        kind, value = self.value(operand)
        if isinstance(value, ir.Constant):
            return kind, value.type(-value.constant)
        if kind == types.int64:
            return kind, self.builder.neg(value)
        return kind, self.builder.fsub(DOUBLE(-0.0), value)

    def compare(self, left: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]) -> Any:
        builder, total, a = self.builder, None, self.value(left)
        for operator, other in zip(operators, others, strict=True):
            b, sign = self.value(other), _COMPARE[type(operator)]
            if a[0] == b[0] == types.int64:
                found = builder.icmp_signed(sign, a[1], b[1])
            elif sign == "!=":
                found = builder.fcmp_unordered(sign, self.real(a), self.real(b))
            else:
                found = builder.fcmp_ordered(sign, self.real(a), self.real(b))
            total = found if total is None else builder.and_(total, found)
            a = b
        return total

    def choose(self, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> Value:
        builder, condition = self.builder, self.truth(test)
        if not any(self.helpers.calls(part) for part in (body, otherwise)):
            return self.select(condition, self.value(body), self.value(otherwise))
        results = []
        blocks = [builder.append_basic_block("then"), builder.append_basic_block("else")]
        end = builder.append_basic_block("chosen")
        builder.cbranch(condition, *blocks)
        for block, part in zip(blocks, (body, otherwise), strict=True):
            builder.position_at_end(block)
            number = self.real(self.value(part))
            results.append((number, builder.block))
            builder.branch(end)
        builder.position_at_end(end)
        phi = builder.phi(DOUBLE)
        for number, block in results:
            phi.add_incoming(number, block)
        return types.float64, phi

    def select(self, condition: Any, a: Value, b: Value) -> Value:
        if a[0] == b[0]:
            return a[0], self.builder.select(condition, a[1], b[1])
        return types.float64, self.builder.select(condition, self.real(a), self.real(b))

    # --- arrays

    def cell(self, index: ast.expr) -> Any:
        """Where a cell of the state is."""
        return self.builder.gep(self.state, [self.value(index)[1]], inbounds=True, source_etype=DOUBLE)

    def element(self, array: Value, index: ast.expr) -> Value:
        kind, value = array
        indexes = index.elts if isinstance(index, ast.Tuple) else [index]
        proxy = cgutils.create_struct_proxy(kind)(self.context, self.builder, value=value)
        places = [self.value(part)[1] for part in indexes]
        pointer = cgutils.get_item_pointer(self.context, self.builder, kind, proxy, places, wraparound=False, boundscheck=False)
        return kind.dtype, self.builder.load(pointer)

    # --- helpers

    def call(self, name: str, args: Sequence[Value]) -> Value:
        body = self.helpers.body(name)
        if body is not None:
            outside, self.names = self.names, dict(zip((a.arg for a in body.args.args), args, strict=True))
            self.names |= {key: (types.float64, DOUBLE(value)) for key, value in self.helpers.constants.items()}
            result = self.written_out(body.body)
            self.names = outside
            return result
        dispatcher = self.helpers.compiled[name]
        kinds = tuple(kind for kind, _ in args)
        dispatcher.compile(kinds)
        made = dispatcher.overloads[kinds]
        self.context.add_linking_libs([made.library])
        declared = self.context.declare_function(self.builder.module, made.fndesc)
        # Helpers never raise: what the call says of that is passed over.
        _, result = self.context.call_conv.call_function(
            self.builder, declared, made.fndesc.restype, made.fndesc.argtypes, [value for _, value in args]
        )
        return made.fndesc.restype, result

    def written_out(self, body: Sequence[ast.stmt]) -> Value:
        """The value that a plain helper returns: every `if ...: return` a select."""
        for number, statement in enumerate(body):
            match statement:
                case ast.Expr():
                    continue
                case ast.Assign([ast.Name(name)], value):
                    self.names[name] = self.value(value)
                case ast.Return(value) if value is not None:
                    return self.value(value)
                case ast.If(test, inner, _):
                    condition, before = self.truth(test), dict(self.names)
                    chosen = self.written_out(inner)
                    self.names = before
                    return self.select(condition, chosen, self.written_out(body[number + 1 :]))
        raise InternalError("a helper of emitted text that returns nothing")


def _assigned(body: Sequence[ast.stmt]) -> list[str]:
    """Every local name that statements assign."""
    found = []
    for statement in body:
        for part in ast.walk(statement):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.append(part.id)
    return found
