"""Functions of whole vectors: ranks, sorting, selections, allocations, the inverse of a matrix.

A vector is a dimension of an argument that is taken as a whole: the last one unless it is starred (`x[d!]`). Its values get
slots of their own; ranks and orders follow from comparing all with all, what cannot be said in one expression (the price at
which demand meets supply, an elimination) is a `Vector` helper. The functions are Vensim's (reference manual, "VECTOR ...",
"ALLOCATE ..."); RANK is XMILE's (3.7.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

from flowreform.builtins import Builtin
from flowreform.lower import subscripts
from flowreform.lower.known import known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Binary, Call, Dimension, Expr, Ref, Star, Unary
from flowreform.program import Assign, Code, Const, Op, Ordinal, Pick, Read, Reduce, Term, Vector, bind, walk

Lowering = Callable[[Builder, Scope, Builtin, Call], Code]

MISSING = float("nan")
"""Vensim's :NA:, so that a run that goes on with it is told apart."""


def fitting(lowering: Lowering) -> Lowering:
    """Refuses a call whose arguments go along other dimensions than the equation."""

    @wraps(lowering)
    def checked(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
        before = len(builder.step)
        code = lowering(builder, scope, row, call)
        made = [(statement.code, {loop.number for loop in statement.loops}) for statement in builder.step[before:]]
        if any(_strays(part, loops) for part, loops in (*made, (code, {loop.number for loop in scope.loops}))):
            reason = f"the dimensions of the arguments of {call.function.upper()} do not fit together"
            raise Fault(reason, "name the same dimensions in each of them and on the left", call.column)
        return code

    return checked


def _strays(code: Code, loops: set[int]) -> bool:
    """Does an expression go along a dimension that nothing around it runs over?"""
    around = loops | {part.loop for part in walk(code) if isinstance(part, Reduce)}
    return any(term.loop not in around for part in walk(code) for term in getattr(part, "terms", ()))


# --- vectors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a vector in slots of their own: `read` at loop `run`, inside the loops of `scope` (`run` the last)."""

    read: Read
    run: Running
    scope: Scope

    @property
    def size(self) -> int:
        return self.run.loop.size

    def across(self, loop: int) -> Read:
        """The same values at another loop."""
        return moved(self.read, self.run.loop.number, Term(loop, 1))

    @property
    def stride(self) -> int:
        return next(term.stride for term in self.read.terms if term.loop == self.run.loop.number)

    def whole(self) -> Read:
        """All the values, for a `Vector`."""
        first = bind(self.read, self.run.loop.number, 0)
        assert isinstance(first, Read)
        return replace(first, picks=(Pick(Const(1.0), self.stride, self.size),))


def values_of(builder: Builder, scope: Scope, expr: Expr, call: Call) -> Values:
    """The values of an argument along its last dimension."""
    if isinstance(expr, Ref) and sum(isinstance(side, Star) for side in expr.subscripts) == 1:
        return collect(builder, scope, expr, call)
    axis = _last_dimension(builder, expr)
    if axis is None:
        raise Fault(
            f"{call.function.upper()} takes an arrayed variable", "name one with a dimension as its last subscript", call.column
        )
    return collect(builder, scope, starred(builder, expr, axis), call)


def collect(builder: Builder, scope: Scope, expr: Expr, call: Call) -> Values:
    inner = scope.reducing()
    code = builder.value(inner, expr)
    runs = list((inner.stars or {}).values())
    if len(runs) != 1:
        raise Fault(f"{call.function.upper()} goes along one dimension", "name the others by element or dimension", call.column)
    around = replace(scope, running=(*used(scope, code), runs[0]), stars=None)
    return Values(builder.auxiliary(around, code), runs[0], around)


def used(scope: Scope, code: Code) -> tuple[Running, ...]:
    """The loops around that the code depends on."""
    loops = {term.loop for part in walk(code) for term in getattr(part, "terms", ())}
    return tuple(run for run in scope.running if run.loop.number in loops)


def _last_dimension(builder: Builder, expr: Expr) -> Dimension | None:
    for part in _parts(expr):
        if not isinstance(part, Ref) or part.name not in builder.places:
            continue
        place = builder.places[part.name]
        if not place.dimensions:
            continue
        last = part.subscripts[-1] if part.subscripts else Star()
        if isinstance(last, Star):
            return builder.model.dimensions.get(last.dimension or place.dimensions[-1])
        if isinstance(last, Ref) and last.name in builder.model.dimensions:
            return builder.model.dimensions[last.name]
    return None


def _parts(expr: Expr) -> list[Expr]:
    match expr:
        case Unary(_, operand):
            return [expr, *_parts(operand)]
        case Binary(_, left, right):
            return [expr, *_parts(left), *_parts(right)]
        case Call(_, args):
            return [expr, *(part for arg in args for part in _parts(arg))]
        case _:
            return [expr]


def starred(builder: Builder, expr: Expr, axis: Dimension) -> Expr:
    """The expression with `axis` as a whole dimension wherever it stands last in brackets (or is left out)."""
    match expr:
        case Ref(name, subscripts_, column) if name in builder.places and builder.places[name].dimensions:
            sides = subscripts_ or tuple(Ref(dimension) for dimension in builder.places[name].dimensions)
            last = sides[-1]
            same = (isinstance(last, Ref) and last.name == axis.name) or isinstance(last, Star)
            return Ref(name, (*sides[:-1], Star(axis.name)), column) if same else expr
        case Unary(op, operand):
            return Unary(op, starred(builder, operand, axis))
        case Binary(op, left, right):
            return Binary(op, starred(builder, left, axis), starred(builder, right, axis))
        case Call(function, args, column):
            return Call(function, tuple(starred(builder, arg, axis) for arg in args), column)
        case _:
            return expr


def moved(read: Read, loop: int, to: Term, offset: int = 0) -> Read:
    """A read with one loop replaced by a term in steps of that loop."""
    stride = next(term.stride for term in read.terms if term.loop == loop)
    rest = tuple(term for term in read.terms if term.loop != loop)
    return Read(read.base + offset * stride, (*rest, Term(to.loop, to.stride * stride, to.table)), read.picks)


def here(builder: Builder, scope: Scope, values: Values) -> tuple[int, Term]:
    """Where along the vector the equation's own element stands: offset and term."""
    axis = values.run.dimension
    return subscripts.running(builder, scope, axis, axis, 1)


def _sum(builder: Builder, size: int, body: Callable[[int], Code], op: str = "+") -> Code:
    loop = builder.loop(size).number
    return Reduce(op, loop, size, body(loop))


# --- ranks -----------------------------------------------------------------------------------------------------------


def _ranks(builder: Builder, values: Values, ascending: Code) -> Values:
    """For each element its place from 1; of equals the one listed first comes first."""
    own, loop = values.read, values.run.loop.number

    def ahead(other: int) -> Code:
        there = values.across(other)
        smaller, larger = Op("<", (there, own)), Op(">", (there, own))
        match ascending:
            case Const(value):
                less: Code = smaller if value > 0.0 else larger
            case _:
                less = Op("if", (Op(">", (ascending, Const(0.0))), smaller, larger))
        first = Op("<", (Ordinal(0, (Term(other, 1),)), Ordinal(0, (Term(loop, 1),))))
        return Op("or", (less, Op("and", (Op("=", (there, own)), first))))

    rank = Op("+", (Const(1.0), _sum(builder, values.size, ahead)))
    return Values(builder.auxiliary(values.scope, rank), values.run, values.scope)


@fitting
def vector_rank(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    values = values_of(builder, scope, call.args[0], call)
    ranks = _ranks(builder, values, _direction(builder, scope, values, call.args[1]))
    offset, term = here(builder, scope, values)
    return moved(ranks.read, values.run.loop.number, term, offset)


def _direction(builder: Builder, scope: Scope, values: Values, expr: Expr) -> Code:
    direction = builder.value(scope, expr)
    if used(scope, direction) and not set(used(scope, direction)) <= set(values.scope.running):
        raise Fault("the direction of sorting is not the same for the whole vector", "sort each way in a variable of its own")
    return direction


def _position(builder: Builder, ranks: Values, place: Code, first: int) -> Code:
    """The number, counted from `first`, of the element whose rank is `place`."""

    def found(loop: int) -> Code:
        return Op("if", (Op("=", (ranks.across(loop), place)), Ordinal(first - 1, (Term(loop, 1),)), Const(0.0)))

    return _sum(builder, ranks.size, found)


@fitting
def sort_order(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    values = values_of(builder, scope, call.args[0], call)
    ranks = _ranks(builder, values, _direction(builder, scope, values, call.args[1]))
    offset, term = here(builder, scope, values)
    return _position(builder, ranks, Ordinal(offset, (term,)), 0)


@fitting
def rank(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANK(array, n): the number of the element with the n-th smallest value."""
    ranks = _ranks(builder, values_of(builder, scope, call.args[0], call), Const(1.0))
    return _position(builder, ranks, builder.value(scope, call.args[1]), 1)


@fitting
def reorder(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    values = values_of(builder, scope, call.args[0], call)
    place = Op("+", (builder.value(scope, call.args[1]), Const(1.0)))
    first = values.whole()
    return replace(first, picks=(replace(first.picks[0], index=place),))


# --- elements --------------------------------------------------------------------------------------------------------


@fitting
def element_map(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """The value so many elements after the one named, in the order of the whole array; :NA: outside it."""
    ref = call.args[0]
    place = builder.places.get(ref.name) if isinstance(ref, Ref) else None
    if place is None or not isinstance(ref, Ref):
        raise Fault("the first argument of VECTOR ELM MAP must be an element of an arrayed variable", "", call.column)
    base, terms, picks = subscripts.locate(builder, scope, ref, place)
    if picks:
        raise Fault("the first argument of VECTOR ELM MAP must name its element", "", call.column)
    first: Code = Ordinal(base - place.base, terms) if terms else Const(float(base - place.base + 1))
    index = Op("+", (first, builder.value(scope, call.args[1])))
    inside = Op("and", (Op(">=", (index, Const(1.0))), Op("<", (index, Const(place.size + 1.0)))))
    return Op("if", (inside, Read(place.base, (), (Pick(index, 1, place.size),)), Const(MISSING)))


@fitting
def select(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """VECTOR SELECT(selection, expression, missing, action, error): what is selected, folded.

    An error that the last argument asks for shows as NaN."""
    inner = scope.reducing()
    chosen, value = builder.value(inner, call.args[0]), builder.value(inner, call.args[1])
    runs = list((inner.stars or {}).values())
    if not runs:
        raise Fault("VECTOR SELECT goes along at least one whole dimension", "write it as name!", call.column)
    missing, action, strict = (builder.value(scope, arg) for arg in call.args[2:])
    is_chosen = Op("<>", (chosen, Const(0.0)))

    def fold(op: str, body: Code, otherwise: float) -> Code:
        result: Code = Op("if", (is_chosen, body, Const(otherwise)))
        for run in runs:
            result = Reduce(op, run.loop.number, run.loop.size, result)
        return result

    weighted = Op("*", (chosen, value))
    count = builder.auxiliary(scope, fold("+", Const(1.0), 0.0))

    def one(number: int) -> Code:
        match number:
            case 0:
                return fold("+", weighted, 0.0)
            case 1:
                return fold("*", weighted, 1.0)
            case 2:
                return fold("min", weighted, float("inf"))
            case 3:
                return fold("max", weighted, -float("inf"))
            case 4:
                return Op("/", (fold("+", weighted, 0.0), count))
            case 5:
                return fold("*", Op("power", (value, chosen)), 1.0)
            case 6:
                return fold("+", value, 0.0)
            case 7:
                return fold("*", value, 1.0)
            case 8:
                return fold("min", value, float("inf"))
            case 9:
                return fold("max", value, -float("inf"))
            case _:
                return Op("/", (fold("+", value, 0.0), count))

    match action:
        case Const(number):
            if number not in range(11):
                raise Fault(f"VECTOR SELECT has no numerical action {number:g}", "it is a number from 0 to 10", call.column)
            result = one(int(number))
        case _:
            result = Const(float("nan"))
            for number in range(10, -1, -1):
                result = Op("if", (Op("=", (action, Const(float(number)))), one(number), result))
    result = Op("if", (Op("=", (count, Const(0.0))), missing, result))
    if strict == Const(0.0):
        return result
    too_few = Op("and", (Op("=", (count, Const(0.0))), Op("or", (Op("=", (strict, Const(1.0))), Op("=", (strict, Const(3.0)))))))
    too_many = Op("and", (Op(">", (count, Const(1.0))), Op(">=", (strict, Const(2.0)))))
    return Op("if", (Op("or", (too_few, too_many)), Const(float("nan")), result))


MODES = {0.0: "continuous", 2.0: "backward", 3.0: "extrapolate", 4.0: "forward"}
"""The modes of VECTOR LOOKUP that are done."""


@fitting
def vector_lookup(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """VECTOR LOOKUP(vector, x, xmin, xmax, mode): the values along the last dimension, equally far apart from xmin to xmax."""
    mode = known(builder.model, scope.outward(call.args[4]))
    if mode not in MODES:
        reason = "the mode of VECTOR LOOKUP is 0, 2, 3 or 4, known before the run"
        raise Fault(reason, "areas, slopes and inverses of a vector are not done; write them out", call.column)
    ref = call.args[0]
    place = builder.places.get(ref.name) if isinstance(ref, Ref) else None
    if place is None or not isinstance(ref, Ref) or not place.dimensions or len(ref.subscripts) != len(place.dimensions):
        raise Fault(
            "the first argument of VECTOR LOOKUP must be an element of an arrayed variable", "name the first", call.column
        )
    whole = Ref(ref.name, (*ref.subscripts[:-1], Star(place.dimensions[-1])), ref.column)
    values = collect(builder, scope, whole, call)
    last = Const(float(values.size - 1))
    x, low, high = (builder.value(scope, arg) for arg in call.args[1:4])
    share = Op("/", (Op("-", (x, low)), Op("-", (high, low))))
    position = builder.auxiliary(scope, Op("+", (Const(1.0), Op("*", (share, last)))))
    held = Op("max", (Op("min", (position, Const(float(values.size)))), Const(1.0)))

    def at(index: Code) -> Code:
        first = values.whole()
        return replace(first, picks=(replace(first.picks[0], index=index),))

    if mode in (2.0, 4.0):
        return at(Op("floor" if mode == 2.0 else "ceiling", (held,)))
    below = builder.auxiliary(scope, Op("max", (Op("min", (Op("floor", (held,)), last)), Const(1.0))))
    rise = Op("-", (at(Op("+", (below, Const(1.0)))), at(below)))
    along = Op("-", (held if mode == 0.0 else position, below))
    return Op("+", (at(below), Op("*", (along, rise))))


# --- matrices --------------------------------------------------------------------------------------------------------

MOST_ROWS = 50


@fitting
def invert(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """INVERT MATRIX(a[row, column], size)."""
    ref = call.args[0]
    if not isinstance(ref, Ref) or len(ref.subscripts) < 2 or len(scope.running) < 2:
        raise Fault(
            "INVERT MATRIX takes a variable with two dimensions in brackets, in an equation that runs over both", "", call.column
        )
    inner = scope.reducing()
    alike = ref.subscripts[-2] == ref.subscripts[-1]  # one range for rows and columns: they are still two
    stars = tuple(Star(None if alike else side.name) if isinstance(side, Ref) else side for side in ref.subscripts[-2:])
    code = builder.value(inner, Ref(ref.name, (*ref.subscripts[:-2], *stars), ref.column))
    runs = list((inner.stars or {}).values())
    size = known(builder.model, scope.outward(call.args[1]))
    if len(runs) != 2 or runs[0].loop.size != runs[1].loop.size or size != runs[0].loop.size:
        raise Fault("INVERT MATRIX takes a square matrix and its size", "give both dimensions as many elements", call.column)
    count = runs[0].loop.size
    if count > MOST_ROWS:
        raise Fault(f"INVERT MATRIX is done up to {MOST_ROWS} rows", "", call.column)
    around = replace(scope, running=(*used(scope, code), *runs), stars=None)
    matrix = builder.auxiliary(around, code)
    at_first: Code = matrix
    for run in runs:
        at_first = bind(at_first, run.loop.number, 0)
    assert isinstance(at_first, Read)
    nothing = Const(1.0)
    whole = replace(at_first, picks=(Pick(nothing, count, count), Pick(nothing, 1, count)))
    room = Read(builder.slot(scope.name, count * (count + 1)), (), (Pick(nothing, count + 1, count), Pick(nothing, 1, count + 1)))
    if alike:
        rows, columns = ((0, Term(run.loop.number, 1)) for run in scope.running[-2:])
    else:
        rows, columns = (subscripts.running(builder, scope, run.dimension, run.dimension, 1) for run in runs)
    return Vector("inverse", count, (whole, room), (Ordinal(rows[0], (rows[1],)), Ordinal(columns[0], (columns[1],))))


# --- scarce supply shared out ----------------------------------------------------------------------------------------


_FIELDS = 4
_PROFILES = 4
"""The last type of profile (`arithmetic.demand_at_price`); Vensim's 5 shares out by another rule."""


@fitting
def by_price(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ALLOCATE AVAILABLE(request[who], profile[who, type], available): each gets what it asks for at the price at which
    all together ask for what is available. A request of no price (type 0) is served first; where there is less than such requests
    ask for, each gets the same share of it."""
    profile = call.args[1]
    request = values_of(builder, scope, call.args[0], call)
    who = request.run.dimension
    if not isinstance(profile, Ref) or len(profile.subscripts) < 2 or profile.name not in builder.places:
        raise Fault("the profile of ALLOCATE AVAILABLE has two dimensions, as in profile[who, ptype]", "", call.column)
    place = builder.places[profile.name]
    axis = builder.model.dimensions[place.dimensions[-1]]
    first = subscripts.element(axis, profile.subscripts[-1])
    if first is None or first + 3 > len(axis.elements):
        raise Fault(
            "the last subscript of the profile is its first element (the type), with priority and width after it", "", call.column
        )
    _refuse_other_profiles(builder, profile, axis.elements[first], call)
    fields = []
    for number in range(first, min(first + _FIELDS, len(axis.elements))):
        sides = (*profile.subscripts[:-2], Star(who.name), Ref(axis.elements[number]))
        fields.append(collect(builder, scope, Ref(profile.name, sides, profile.column), call))
    return _shared_out(builder, scope, request, fields, builder.value(scope, call.args[2]))


@fitting
def by_profile(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Stella's ALLOCATE(available, dimension, request, priority, width, type): ALLOCATE AVAILABLE with its profile in three
    arguments."""
    named = call.args[1]
    who = builder.model.dimensions.get(named.name) if isinstance(named, Ref) else None
    if who is None:
        raise Fault("the second argument of ALLOCATE is the dimension to share among", "name it", call.column)
    request, priority, width, kind = (collect(builder, scope, _over(builder, arg, who), call) for arg in call.args[2:6])
    return _shared_out(builder, scope, request, [kind, priority, width], builder.value(scope, call.args[0]))


def _over(builder: Builder, expr: Expr, axis: Dimension) -> Expr:
    """A variable with `axis` as a whole dimension, whichever of its subscripts names it."""
    if not isinstance(expr, Ref) or expr.name not in builder.places or not builder.places[expr.name].dimensions:
        raise Fault(f"ALLOCATE shares among the elements of {axis.label}, and an argument has none", "name an arrayed variable")
    sides = expr.subscripts or tuple(Ref(name) for name in builder.places[expr.name].dimensions)
    found = [Star(axis.name) if isinstance(side, Star) or side == Ref(axis.name) else side for side in sides]
    return Ref(expr.name, tuple(found), expr.column)


def _shared_out(builder: Builder, scope: Scope, request: Values, fields: list[Values], available: Code) -> Code:
    """What each gets at the price at which all together ask for what is available; `fields` are type, priority and width."""
    table = _table(builder, fields)
    outside = [run for run in scope.running if run.dimension.name not in _names_of(builder, scope, request)]
    around = replace(scope, running=tuple(outside))
    price, share = (
        builder.auxiliary(around, Vector(name, request.size, (request.whole(), table), (available,)))
        for name in ("clearing_price", "fixed_share")
    )
    offset, term = here(builder, scope, request)
    loop = request.run.loop.number
    own = [moved(part.read, part.run.loop.number, term, offset) for part in fields[:3]]
    given = Op("demand_at_price", (moved(request.read, loop, term, offset), *own, price))
    return Op("if", (Op("=", (own[0], Const(0.0))), Op("*", (given, share)), given))


def _refuse_other_profiles(builder: Builder, profile: Ref, kind: str, call: Call) -> None:
    """A type of profile that is none of ours, where an equation says which: a run would give NaN."""
    for equation in builder.model.variables[profile.name].equations:
        last = equation.subscripts[-1] if equation.subscripts else kind
        dimension = builder.model.dimensions.get(last)
        value = known(builder.model, equation.expr)
        covered = last == kind or (dimension is not None and kind in dimension.elements)
        if covered and value is not None and value not in range(_PROFILES + 1):
            name = " (constant elasticity of substitution)" if value == 5.0 else ""
            reason = f"{call.function.upper()} takes profiles of type 0 to {_PROFILES}; {profile.name} has type {value:g}{name}"
            repair = "write 0 (fixed), 1 (rectangular), 2 (triangular), 3 (normal) or 4 (exponential)"
            raise Fault(reason, repair, call.column)


def _names_of(builder: Builder, scope: Scope, values: Values) -> set[str]:
    """The dimensions of the loops around that stand for the vector's own dimension."""
    _, term = here(builder, scope, values)
    return {run.dimension.name for run in scope.running if run.loop.number == term.loop}


def _table(builder: Builder, fields: list[Values]) -> Read:
    """The fields of every profile side by side, for a `Vector`."""
    numbers = {run.loop.number for part in fields for run in part.scope.running[:-1]}
    runs = tuple(run for run in _all_running(fields) if run.loop.number in numbers)
    last = fields[0].run
    scope = replace(fields[0].scope, running=(*runs, last, Running(builder.loop(len(fields)), last.dimension)))
    room = builder.hidden(scope)
    across = scope.running[-1].loop.number
    for number, part in enumerate(fields):
        target = bind(room, across, number)
        assert isinstance(target, Read)
        loops = tuple(run.loop for run in scope.running[:-1])
        builder.step.append(Assign(scope.name, target, loops, part.across(last.loop.number)))
    whole = bind(bind(room, across, 0), last.loop.number, 0)
    assert isinstance(whole, Read)
    nothing = Const(1.0)
    return replace(whole, picks=(Pick(nothing, len(fields), last.loop.size), Pick(nothing, 1, len(fields))))


def _all_running(fields: list[Values]) -> tuple[Running, ...]:
    return tuple({run.loop.number: run for part in fields for run in part.scope.running[:-1]}.values())


@fitting
def by_priority(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ALLOCATE BY PRIORITY(request[who], priority[who], size, width, supply): requests fill evenly from the highest
    priority down; the next starts once the one above has got as much of its request as they are widths apart."""
    request = values_of(builder, scope, call.args[0], call)
    who = request.run.dimension
    priority = collect(builder, scope, starred(builder, call.args[1], who), call)
    width, supply = builder.value(scope, call.args[3]), builder.value(scope, call.args[4])
    own_loop = priority.run.loop.number
    running = {run.loop.number: run for run in (*request.scope.running[:-1], *priority.scope.running[:-1], *used(scope, width))}
    around = replace(scope, running=(*running.values(), priority.run))
    vectors = (request.whole(), priority.whole())
    start = builder.auxiliary(around, Vector("priority_start", request.size, vectors, (width, priority.read)))
    starts = Values(start, priority.run, around)
    outside = [run for run in scope.running if run.dimension.name not in _names_of(builder, scope, request)]
    level = builder.auxiliary(
        replace(scope, running=tuple(outside)),
        Vector("filling_level", request.size, (request.whole(), starts.whole()), (supply,)),
    )
    offset, term = here(builder, scope, request)
    share = Op("-", (level, moved(start, own_loop, term, offset)))
    clipped = Op("min", (Op("max", (share, Const(0.0))), Const(1.0)))
    asked = Op("max", (moved(request.read, request.run.loop.number, term, offset), Const(0.0)))
    return Op("*", (asked, clipped))
