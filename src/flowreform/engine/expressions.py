"""One expression, or one assignment, as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from flowreform import builtins
from flowreform.engine.schedule import Key, key
from flowreform.model import LookupKind, Method
from flowreform.program import (
    Assign,
    Code,
    Const,
    Drive,
    LookupRead,
    Noise,
    Now,
    Op,
    Ordinal,
    Past,
    Program,
    Read,
    Reduce,
    Term,
    Vector,
    bind,
    walk,
)

LANES = 64
"""Runs in a block."""

WIDTH = 72
"""Values from one slot to the next: `s[72 * slot + r]`. One index, not two, so that a compiler knows the distance between
any two slots and need not ask whether they overlap; and not a power of two, or the same run of every eighth slot would
compete for one set of the processor's cache."""

DEEP = 24
"""Nesting after which an inner part is given a name: CPython's tokenizer stops at 200 parentheses."""

UNROLL = 16
"""Reductions of up to so many terms are written out."""

CHAIN = 24
"""Graphical functions of up to so many points become straight-line selects, which a compiler can vectorise."""

_COMPARE = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FOLD = {"+": "{0} + {1}", "*": "{0} * {1}", "min": "smaller({0}, {1})", "max": "larger({0}, {1})"}


class Printer:
    """Prints the assignments of one run loop into `lines`, keeping what it has read or written in local names."""

    def __init__(
        self,
        program: Program,
        literal: Callable[[float], int],
        counters: int,
        missing: bool = False,
        width: int = WIDTH,
        same: Collection[int] = (),
    ) -> None:
        self.program, self.counters, self.missing, self.width, self.same = program, counters, missing, width, same
        euler = program.method is Method.EULER
        self.begun = "t" if euler else f"({program.start!r} + n * {program.dt!r})"
        self.literal = literal
        self.lines: list[str] = []
        self.once: list[str] = []  # what is the same in all runs: worked out before the walk along them
        self.names: dict[Key, str] = {}
        self.settled: dict[Key, str] = {}
        self.loops: tuple[int, ...] = ()
        self.inner: dict[int, str] = {}
        self._count = 0

    def fresh(self) -> str:
        """A new local name."""
        self._count += 1
        return f"v{self._count}"

    def assign(self, statement: Assign, loops: tuple[int, ...]) -> str:
        """Work a statement out; the local name that holds its value."""
        self.loops = loops
        once = bool(self.same) and all(slot in self.same for slot in statement.slots())
        outside = self.lines, self.names
        if once:
            self.lines, self.names = self.once, self.settled
        name = self._worked_out(statement)
        self.lines, self.names = outside
        place = key(statement.target, loops)
        if place is not None:
            (self.settled if once else self.names)[place] = name
        return name

    def _worked_out(self, statement: Assign) -> str:
        text, _ = self.value(statement.code)
        if statement.held:
            text = f"({text} if h == 2 * n else s[{self._cell(statement.target.base, statement.target.terms)}])"
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        return name

    def named(self, code: Code) -> str:
        """A local name that holds the value of an expression, in the loops of the statement assigned last."""
        text, _ = self.value(code)
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        return name

    def store(self, statement: Assign, loops: tuple[int, ...], name: str) -> None:
        """Write a local name into its slot."""
        self.loops = loops
        self.lines.append(f"s[{self._cell(statement.target.base, statement.target.terms)}] = {name}")

    # --- numbers: (text, depth of nesting)

    def value(self, code: Code) -> tuple[str, int]:
        """The text of an expression, without outer parentheses when it is a plain name, literal or call."""
        text, depth = self._value(code)
        if depth >= DEEP:
            name = self.fresh()
            self.lines.append(f"{name} = {text}")
            return name, 0
        return text, depth

    def _value(self, code: Code) -> tuple[str, int]:
        match code:
            case Const(value):
                return _literal(value), 0
            case Now(begun):
                return self.begun if begun else "t", 0
            case Ordinal(base, terms):
                return f"float({self._slot(base + 1, terms)})", 1
            case Read():
                return self._read(code)
            case Drive(number, later):
                return f"drive[{number}, h + {later}]" if later else f"drive[{number}, h]", 0
            case Noise(number, terms):  # series lie behind the histories
                return f"hist[{self._slot(len(self.program.remembered) + number, terms)}, n, r]", 0
            case LookupRead():
                return self._lookup(code)
            case Reduce():
                return self._reduce(code)
            case Past(number, lag, before, terms):
                (a, da), (b, db) = self.value(lag), self.value(before)
                return f"past(hist, {self._slot(number, terms)}, n, {a}, r, {b})", max(da, db) + 1
            case Vector(name, size, arrays, args):
                return self._vector(name, size, arrays, args)
            case Op():
                return self._operate(code)

    def _vector(self, name: str, size: int, arrays: Sequence[Read], args: Sequence[Code]) -> tuple[str, int]:
        """A helper that walks along vectors: it is told where each starts and the strides between elements, in cells."""
        parts = ["s", str(size)]
        for array in arrays:
            parts.append(self._cell(array.base, array.terms))
            parts.extend(str(self.width * pick.stride) for pick in array.picks)
        texts = [self.value(arg) for arg in args]
        parts.extend(text for text, _ in texts)
        return f"{name}({', '.join(parts)})", max((depth for _, depth in texts), default=0) + 1

    def _operate(self, op: Op) -> tuple[str, int]:
        name, args = op.name, op.args
        if name == "if":
            (c, dc, doubt), (a, da), (b, db) = self.condition(args[0]), self.value(args[1]), self.value(args[2])
            return _unless(doubt, f"({a} if {c} else {b})"), max(dc, da, db) + 1 + bool(doubt)
        if name in _COMPARE or name in ("and", "or", "not"):
            text, depth, doubt = self.condition(op)
            return _unless(doubt, f"(1.0 if {text} else 0.0)"), depth + 1 + bool(doubt)
        if name == "square":
            text, depth = self.value(args[0])
            if depth:
                local = self.fresh()
                self.lines.append(f"{local} = {text}")
                text = local
            return f"({text} * {text})", 1
        row = builtins.BUILTINS.get(name)
        heavy = row is not None and row.heavy
        texts, depths = zip(*(self._guarded(arg) if heavy else self.value(arg) for arg in args), strict=True)
        depth = max(depths) + 1
        if name == "neg":
            return f"(-{texts[0]})", depth
        if name == "/":
            return f"divide({texts[0]}, {texts[1]})", depth
        if name in ("+", "-", "*"):
            return f"({texts[0]} {name} {texts[1]})", depth
        assert row is not None, name
        assert row.python is not None, name
        clock = [{"t": "t", "begun": self.begun, "dt": repr(self.program.dt)}[word] for word in row.clock]
        return f"{row.python.__name__}({', '.join((*clock, *texts))})", depth

    def _guarded(self, code: Code) -> tuple[str, int]:
        """An argument of exp, pow and the like: a literal is read from a slot, where no compiler can fold it."""
        if isinstance(code, Const):
            return f"s[{cell(self.literal(code.value), self.width)}]", 0
        return self.value(code)

    # --- conditions: text of a bool, depth of nesting, and text of when it is in doubt

    def condition(self, code: Code) -> tuple[str, int, str]:
        """The text of a truth value: anything but 0 is true. It is in doubt where a number in it is NaN, unless it is decided
        without that number: a fault of arithmetic in a condition must not pass for "no". "" where it never is."""
        if isinstance(code, Op) and code.name in _COMPARE:
            (a, da, first), (b, db, second) = self._side(code.args[0]), self._side(code.args[1])
            doubt = " | ".join(filter(None, (first, second)))
            return f"({a} {_COMPARE[code.name]} {b})", max(da, db) + 1, f"({doubt})" if doubt else ""
        if isinstance(code, Op) and code.name in ("and", "or"):
            (a, da, first), (b, db, second) = self.condition(code.args[0]), self.condition(code.args[1])
            if max(da, db) >= DEEP or first or second:
                a, b, da, db = self._named_condition(a), self._named_condition(b), 0, 0
            # Without short circuits there is no jump, and a compiler can use vector instructions.
            text = f"({a} {'&' if code.name == 'and' else '|'} {b})"
            return text, max(da, db) + 1, self._undecided(code.name, (a, first), (b, second))
        if isinstance(code, Op) and code.name == "not":
            text, depth, doubt = self.condition(code.args[0])
            if depth >= DEEP:
                text, depth = self._named_condition(text), 0
            return f"(not {text})", depth + 1, doubt
        text, depth, doubt = self._side(code)
        return f"({text} != 0.0)", depth + 1, doubt

    def _side(self, code: Code) -> tuple[str, int, str]:
        """A number in a condition, and the text of when it is NaN. What a variable holds is watched where it is worked out, and
        where an author writes missing values a comparison with them is meant."""
        text, depth = self.value(code)
        if self.missing or not _may_fail(code):
            return text, depth, ""
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        return name, 0, f"({name} != {name})"

    def _undecided(self, name: str, *sides: tuple[str, str]) -> str:
        """When `and` or `or` is in doubt: a side is, and the other does not decide alone."""
        decides = "not " if name == "and" else ""
        found = []
        for (_, doubt), (text, other) in (sides, sides[::-1]):
            if doubt:
                decided = f"({decides}{text})" + (f" & (not {other})" if other else "")
                found.append(f"({doubt} & (not ({decided})))")
        if not found:
            return ""
        local = self.fresh()
        self.lines.append(f"{local} = 1.0 if {' | '.join(found)} else 0.0")
        return f"({local} != 0.0)"

    def _named_condition(self, text: str) -> str:
        name = self.fresh()
        self.lines.append(f"{name} = 1.0 if {text} else 0.0")
        return f"({name} != 0.0)"

    # --- slots

    def _slot(self, base: int, terms: Sequence[Term]) -> str:
        parts = [str(base)] if base or not terms else []
        for term in terms:
            index = self.inner.get(term.loop) or f"i{self.loops.index(term.loop)}"
            if term.table:
                index = f"tab[{self.table(term.table)} + {index}]"
            parts.append(index if term.stride == 1 else f"{term.stride} * {index}")
        return " + ".join(parts)

    def _cell(self, base: int, terms: Sequence[Term]) -> str:
        if not terms:
            return cell(base, self.width)
        return f"{self.width} * ({self._slot(base, terms)}) + r"

    def table(self, entries: tuple[int, ...]) -> int:
        """Where an index table starts in `tab`."""
        return index_tables(self.program)[1][entries]

    def _read(self, read: Read) -> tuple[str, int]:
        place = key(read, self.loops)
        if place is not None and (place in self.names or place in self.settled):
            return self.names.get(place) or self.settled[place], 0
        if read.picks:
            offsets, tests, nothing = [], [], "0.0"
            for pick in read.picks:
                text, _ = self.value(pick.index)
                local = self.fresh()
                self.lines.append(f"{local} = {text}")
                offsets.append(f"{pick.stride} * at({local}, {pick.size})")
                tests.append(f"within({local}, {pick.size})")
                if _may_fail(pick.index):
                    nothing += f" + ({local} - {local})"
            slot = " + ".join([self._slot(read.base, read.terms), *offsets])
            return f"(s[{self.width} * ({slot}) + r] if {' and '.join(tests)} else {nothing})", 3
        text = f"s[{self._cell(read.base, read.terms)}]"
        if place is None:
            return text, 1
        name = self.fresh()
        once = not read.terms and read.base in self.same
        (self.once if once else self.lines).append(f"{name} = {text}")
        (self.settled if once else self.names)[place] = name
        return name, 0

    # --- reductions and graphical functions

    def _reduce(self, reduce: Reduce) -> tuple[str, int]:
        if reduce.size <= UNROLL:
            total, depth = self.value(bind(reduce.body, reduce.loop, 0))
            for i in range(1, reduce.size):
                text, more = self.value(bind(reduce.body, reduce.loop, i))
                total, depth = f"({_FOLD[reduce.op].format(total, text)})", max(depth, more) + 1
                if depth >= DEEP:
                    name = self.fresh()
                    self.lines.append(f"{name} = {total}")
                    total, depth = name, 0
            return total, depth
        total = self.fresh()
        first, _ = self.value(bind(reduce.body, reduce.loop, 0))
        index = f"j{reduce.loop}"
        self.lines.append(f"{total} = {first}")
        self.lines.append(f"for {index} in range(1, {reduce.size}):")
        outer_lines, outer_names = self.lines, self.names
        self.lines, self.names = [], dict(outer_names)
        self.inner[reduce.loop] = index
        text, _ = self.value(reduce.body)
        self.lines.append(f"{total} = {_FOLD[reduce.op].format(total, text)}")
        outer_lines.extend("    " + line for line in self.lines)
        self.lines, self.names = outer_lines, outer_names
        del self.inner[reduce.loop]
        return total, 0

    def _lookup(self, read: LookupRead) -> tuple[str, int]:
        text, _ = self.value(read.x)
        x = self.fresh()
        self.lines.append(f"{x} = {text}")
        number = self._slot(read.table, read.terms)
        table = self.program.tables[read.table]
        counter = f"s[{self._cell(self.counters + read.table, read.terms)}]"
        if table.kind is not LookupKind.EXTRAPOLATE or read.terms:
            if read.terms:
                self.lines.append(f"{counter} = {counter} + astray(X, P, N, K, {number}, {x})")
            else:
                low, high = _literal(table.x[0]), _literal(table.x[-1])
                self.lines.append(f"{counter} = {counter} + (1.0 if ({x} < {low}) | ({x} > {high}) else 0.0)")
        if read.terms or len(table.x) > CHAIN:
            return f"look(X, Y, M, P, N, K, {number}, {x})", 1
        return self._chain(x, read.table), 0

    def _chain(self, x: str, number: int) -> str:
        """Selects from left to right: each segment takes over where its left end is passed. The same arithmetic as `look`,
        without a search; a NaN gets past every select but the first, which lets it through."""
        table = self.program.tables[number]
        xs, ys, last = table.x, table.y, len(table.x) - 1
        slope = slopes(xs, ys)
        name = self.fresh()

        def choose(value: str, test: str, otherwise: str = name) -> None:
            self.lines.append(f"{name} = {value} if {x} {test} else {otherwise}")

        def piece(i: int) -> str:
            # A level piece needs no arithmetic: what an infinity would make of it, the ends decide.
            level = slope[i] == 0.0 and table.kind is not LookupKind.EXTRAPOLATE and i
            return _literal(ys[i] + 0.0) if level else f"{_literal(ys[i])} + {_literal(slope[i])} * ({x} - {_literal(xs[i])})"

        if table.kind is LookupKind.DISCRETE:
            self.lines.append(f"{name} = {_literal(ys[0])}")
            for i in range(1, last + 1):
                choose(_literal(ys[i]), f">= {_literal(xs[i])}")
        elif not last:
            self.lines.append(f"{name} = {_literal(ys[0])}")
        elif table.kind is LookupKind.EXTRAPOLATE:
            self.lines.append(f"{name} = {piece(0)}")
            for i in range(1, last):
                choose(piece(i), f"> {_literal(xs[i])}")
        else:
            choose(_literal(ys[0]), f"<= {_literal(xs[0])}", piece(0))
            for i in range(1, last):
                choose(piece(i), f"> {_literal(xs[i])}")
            choose(_literal(ys[last]), f">= {_literal(xs[last])}")
        if table.kind is LookupKind.DISCRETE or not last:
            choose(name, f"== {x}", x)
        return name


def _unless(doubt: str, text: str) -> str:
    return f"(NAN if {doubt} else {text})" if doubt else text


_SAFE = frozenset({"+", "-", "*", "neg", "square", "min", "max", "abs", "if", "and", "or", "not", *_COMPARE})


def _may_fail(code: Code) -> bool:
    """Can an expression of finite numbers be NaN or infinite? Sums and products alone are taken to be finite."""
    for part in walk(code):
        if isinstance(part, Op) and part.name == "/":
            if not isinstance(part.args[1], Const) or part.args[1].value == 0.0:
                return True
        elif (isinstance(part, Op) and part.name not in _SAFE) or (isinstance(part, Const) and part.value - part.value != 0.0):
            return True
    return False


def cell(slot: int, width: int) -> str:
    """The index of a slot's value in run r of a block."""
    return f"{width * slot} + r" if slot else "r"


def slopes(x: Sequence[float], y: Sequence[float]) -> tuple[float, ...]:
    """The slope from each point to the next; 0 after the last."""
    return (*((y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)), 0.0)


def _literal(number: float) -> str:
    value = float(number)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    return repr(value) if value > 0.0 or (value == 0.0 and math.copysign(1.0, value) > 0) else f"({value!r})"


def index_tables(program: Program) -> tuple[tuple[int, ...], dict[tuple[int, ...], int]]:
    """Every index table of a program, end to end, and where each starts."""
    flat: list[int] = []
    where: dict[tuple[int, ...], int] = {}

    def note(terms: Sequence[Term]) -> None:
        for term in terms:
            if term.table and term.table not in where:
                where[term.table] = len(flat)
                flat.extend(term.table)

    for statement in (*program.constant, *program.initial, *program.step):
        note(statement.target.terms)
        for part in walk(statement.code):
            if isinstance(part, Read | Ordinal | LookupRead | Noise | Past):
                note(part.terms)
    for stock in program.stocks:
        note(stock.target.terms)
        for part in walk(stock.rate):
            if isinstance(part, Read | Ordinal | LookupRead | Noise | Past):
                note(part.terms)
    return tuple(flat), where
