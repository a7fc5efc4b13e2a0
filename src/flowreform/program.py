"""The flat form of a model: numbered slots, ordered assignments over index ranges, nothing left to look up by name.

Every element of every variable has one slot: a row of the state array `s[slot, run]`. A variable's elements stand side
by side in row-major order (`Place`). A `Program` holds four lists of assignments: `constant` (once a run), `initial`
(once, at the start time), `step` (every step, in order) and the `stocks` that integrate their rates; `memory` holds what
is remembered from one step to the next without integrating (PREVIOUS, SAMPLE IF TRUE). Delays and smooths are stocks by
now. Printers (`engine.emit`, the workbook) read this form and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from flowreform.model import LookupKind, Method, Role

# --- expressions over slots ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Const:
    """A literal; `missing` where the modeller wrote that there is no value (:NA:)."""

    value: float
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """The time; within a step of Runge-Kutta that of the stage, or with `begun` still that of the step's beginning."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class Ordinal:
    """The number, from 1, of the element a loop stands at: `base + 1` plus the terms."""

    base: int
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """The part of a slot number that moves with a loop: `stride * i`, or `stride * table[i]` where the order differs."""

    loop: int
    stride: int
    table: tuple[int, ...] = ()

    def at(self, i: int) -> int:
        """The offset at one index."""
        return self.stride * (self.table[i] if self.table else i)


@dataclass(frozen=True, slots=True)
class Pick:
    """A subscript known only while running: element number `index` (from 1) of `size`, `stride` slots apart."""

    index: Code
    stride: int
    size: int


@dataclass(frozen=True, slots=True)
class Read:
    """The value in slot `base + terms`; with `picks`, 0 where a subscript is outside its dimension (XMILE 1.0, 3.7.1)."""

    base: int
    terms: tuple[Term, ...] = ()
    picks: tuple[Pick, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """An operator or a built-in of `functions.BUILTINS` (pure or timed) on values.

    Operators: + - * / neg not = <> < <= > >= and or if square; conditions are 1.0 and 0.0."""

    name: str
    args: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class LookupRead:
    """Graphical function number `table + terms` read at `x`."""

    table: int
    x: Code
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Reduce:
    """`body` over loop `loop` of `size`, folded by `op`: + * min max."""

    op: str
    loop: int
    size: int
    body: Code


@dataclass(frozen=True, slots=True)
class Drive:
    """Series number `number` of levers over time at this step; NaN where the scenario leaves the lever alone.

    `later` counts half steps after the one that is worked out (`lower.stages`)."""

    number: int
    later: int = 0


@dataclass(frozen=True, slots=True)
class Noise:
    """Series number `number + terms` of random numbers at this step: strictly between 0 and 1, drawn before the run."""

    number: int
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """History `number + terms`, `lag` steps ago; `before` as long as the run is younger than that."""

    number: int
    lag: Code
    before: Code
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Vector:
    """`helpers.<name>` of whole vectors. Each of `arrays` is a `Read` of the first element whose `picks` give the stride and
    size of every dimension that the helper walks along (their indexes are not worked out); `args` are plain values."""

    name: str
    size: int
    arrays: tuple[Read, ...]
    args: tuple[Code, ...] = ()


Code = Const | Now | Ordinal | Read | Op | LookupRead | Reduce | Drive | Noise | Past | Vector


def inside(code: Code) -> tuple[Code, ...]:
    """The expressions directly inside one."""
    match code:
        case Op(_, args):
            return args
        case Read(_, _, picks):
            return tuple(pick.index for pick in picks)
        case LookupRead(_, x, _):
            return (x,)
        case Reduce(_, _, _, body):
            return (body,)
        case Past(_, lag, before, _):
            return (lag, before)
        case Vector(_, _, arrays, args):
            return (*arrays, *args)
        case _:
            return ()


def walk(code: Code) -> Iterator[Code]:
    """The expression and everything inside it."""
    stack = [code]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(inside(top))


def bind(code: Code, loop: int, i: int) -> Code:
    """The same expression with one loop's index fixed."""

    def terms(parts: tuple[Term, ...]) -> tuple[tuple[Term, ...], int]:
        rest = tuple(term for term in parts if term.loop != loop)
        return rest, sum(term.at(i) for term in parts if term.loop == loop)

    match code:
        case Read(base, parts, picks):
            rest, offset = terms(parts)
            return Read(base + offset, rest, tuple(replace(pick, index=bind(pick.index, loop, i)) for pick in picks))
        case LookupRead(table, x, parts):
            rest, offset = terms(parts)
            return LookupRead(table + offset, bind(x, loop, i), rest)
        case Past(number, lag, before, parts):
            rest, offset = terms(parts)
            return Past(number + offset, bind(lag, loop, i), bind(before, loop, i), rest)
        case Ordinal(base, parts):
            rest, offset = terms(parts)
            return Ordinal(base + offset, rest)
        case Noise(number, parts):
            rest, offset = terms(parts)
            return Noise(number + offset, rest)
        case Op(name, args):
            return Op(name, tuple(bind(arg, loop, i) for arg in args))
        case Reduce(op, inner, size, body):
            return code if inner == loop else Reduce(op, inner, size, bind(body, loop, i))
        case Vector(name, size, arrays, args):
            bound = tuple(bind(array, loop, i) for array in arrays)
            return Vector(name, size, bound, tuple(bind(arg, loop, i) for arg in args))  # type: ignore[arg-type]
        case _:
            return code


# --- statements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loop:
    """An index range: loop number `number` runs over 0 .. size - 1."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Assign:
    """`s[target] = code` for every index of `loops`. `name` is the variable it belongs to, for messages.

    What is `held` is worked out at the beginning of a step and kept until its end: what jumps in time (a pulse, a sample, a
    delay of whole steps) is decided once a step, so that it means the same under every method. Euler's looks once anyway."""

    name: str
    target: Read
    loops: tuple[Loop, ...]
    code: Code
    held: bool = False

    def slots(self) -> tuple[int, ...]:
        """Every slot it writes."""
        return spread(self.target, self.loops)

    def unrolled(self) -> tuple[Assign, ...]:
        """One assignment per element."""
        done: list[Assign] = [self]
        for loop in self.loops:
            done = [_bind_assign(part, loop.number, i) for part in done for i in range(loop.size)]
        return tuple(done)


def _bind_assign(statement: Assign, loop: int, i: int) -> Assign:
    target = bind(statement.target, loop, i)
    assert isinstance(target, Read)
    rest = tuple(other for other in statement.loops if other.number != loop)
    return Assign(statement.name, target, rest, bind(statement.code, loop, i), statement.held)


def spread(read: Read, loops: tuple[Loop, ...]) -> tuple[int, ...]:
    """Every slot a read or a target touches over the given loops (picks aside)."""
    slots = [read.base]
    sizes = {loop.number: loop.size for loop in loops}
    for term in read.terms:
        slots = [slot + term.at(i) for slot in slots for i in range(sizes[term.loop])]
    return tuple(slots)


@dataclass(frozen=True, slots=True)
class Stock:
    """`s[target] += dt * rate`. A `non_negative` one has outflows that take no more than there is (`lower.limits`), and what
    rounding leaves below zero is taken off: it is at least the smaller of zero and what it was.

    The rate reads auxiliaries and flows only, never a stock, so that the order of updates is irrelevant."""

    name: str
    target: Read
    loops: tuple[Loop, ...]
    rate: Code
    non_negative: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable's elements stand: the first slot, the size of each dimension, and its role."""

    name: str
    base: int
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    role: Role
    constant: bool = False

    @property
    def size(self) -> int:
        """How many slots it takes."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    @property
    def slots(self) -> range:
        """Its slots, in row-major order."""
        return range(self.base, self.base + self.size)


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter: the slots that are filled from outside before a run, with the values of the model file.

    `drive` is the number of its series when it may vary over time (a lever over time)."""

    name: str
    base: int
    values: tuple[float, ...]
    drive: int | None = None


@dataclass(frozen=True, slots=True)
class LookupTable:
    """The points of a graphical function; `name` for messages."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: LookupKind


@dataclass(frozen=True, slots=True)
class Program:
    """The whole of it. `places` has the variables a user can name, `slots` counts hidden ones too; `owners` names each
    slot for messages. `histories` is how many series `Past` reads: history h keeps slot `remembered[h]` at every step. `noises`
    names the streams of the series that `Noise` reads, which `noise_seed` begins."""

    places: Mapping[str, Place]
    slots: int
    inputs: tuple[Input, ...]
    constant: tuple[Assign, ...]
    initial: tuple[Assign, ...]
    step: tuple[Assign, ...]
    stocks: tuple[Stock, ...]
    memory: tuple[Assign, ...]
    tables: tuple[LookupTable, ...]
    remembered: tuple[int, ...]
    owners: tuple[str, ...]
    start: float
    stop: float
    dt: float
    method: Method
    save_every: float
    noises: tuple[str, ...] = ()
    noise_seed: int | None = None

    @property
    def steps(self) -> int:
        """How many steps lead from start to stop."""
        return round((self.stop - self.start) / self.dt)
