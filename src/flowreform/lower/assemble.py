"""Statements in order, split by how often they must be worked out: once a run, once at the start, at every step."""

from __future__ import annotations

from types import MappingProxyType

from flowreform.builtins import BUILTINS, Kind
from flowreform.errors import Finding, ModelError, error
from flowreform.lower.order import Circle, in_order, reads
from flowreform.lower.scope import Builder
from flowreform.model import Model, Role
from flowreform.program import Assign, Code, Const, Drive, Input, Noise, Now, Op, Past, Place, Program, walk


def assemble(builder: Builder, inputs: tuple[Input, ...], save_every: float | None) -> Program:
    model, specs = builder.model, builder.model.specs
    try:
        ordered = in_order(builder.step)
    except Circle as circle:
        raise ModelError(_circle(model, circle, "the equations")) from None
    constant, step = _split(builder, ordered)
    fixed = {slot for statement in constant for slot in statement.slots()}
    try:
        initial = _initial(builder, step)
    except Circle:
        try:  # a flow that needs the very stock it sets is taken as its equation says
            builder.instead = {**builder.unlimited, **builder.instead}
            initial = _initial(builder, step)
        except Circle as circle:
            raise ModelError(_circle(model, circle, "the initial values")) from None
    places = {
        name: Place(name, p.base, p.dimensions, p.shape, p.role, p.role is Role.PARAMETER or fixed.issuperset(p.slots))
        for name, p in builder.places.items()
    }
    return Program(
        places=MappingProxyType(places),
        slots=len(builder.owners),
        inputs=inputs,
        constant=constant,
        initial=initial,
        step=step,
        stocks=tuple(builder.stocks),
        memory=tuple(builder.memory),
        tables=tuple(builder.tables),
        remembered=tuple(builder.remembered),
        owners=tuple(builder.owners),
        start=specs.start,
        stop=specs.stop,
        dt=specs.dt,
        method=specs.method,
        save_every=save_every or specs.saving,
        noises=tuple(builder.noises),
        noise_seed=model.noise_seed,
    )


def _circle(model: Model, circle: Circle, what: str) -> Finding:
    first = model.variables[circle.names[0]]
    return error(
        "loop",
        f"{what} go round in a circle: {circle}",
        "put a stock, a delay or a smooth into the loop",
        file=model.file,
        line=first.line,
        element=first.label,
    )


def _split(builder: Builder, ordered: tuple[Assign, ...]) -> tuple[tuple[Assign, ...], tuple[Assign, ...]]:
    """What is the same at every step, worked out once, and the rest."""
    moving = {slot for stock in builder.stocks for slot in Assign(stock.name, stock.target, stock.loops, Const(0.0)).slots()}
    moving.update(slot for statement in (*builder.memory, *builder.begin) for slot in statement.slots())
    constant, step = [], []
    for statement in ordered:
        own = statement.slots()
        timed = any(isinstance(part, Now | Drive | Noise | Past) or _is_timed(part) for part in walk(statement.code))
        if timed or not moving.isdisjoint(reads(statement)) or any(slot in builder.instead for slot in own):
            moving.update(own)
            step.append(statement)
        else:
            constant.append(statement)
    return tuple(constant), tuple(step)


def _is_timed(code: Code) -> bool:
    return isinstance(code, Op) and code.name in BUILTINS and BUILTINS[code.name].kind is Kind.TIMED


def _initial(builder: Builder, step: tuple[Assign, ...]) -> tuple[Assign, ...]:
    """The initial values and whatever must be worked out at the start time to have them, in order."""
    replaced: list[Assign] = []
    for statement in step:
        parts = statement.unrolled() if any(slot in builder.instead for slot in statement.slots()) else (statement,)
        for part in parts:
            code = builder.instead.get(part.target.base, part.code) if not part.loops else part.code
            replaced.append(Assign(part.name, part.target, part.loops, code))
    candidates = [*replaced, *builder.begin]
    owner = {slot: number for number, statement in enumerate(candidates) for slot in statement.slots()}
    wanted: set[int] = set()
    stack = list(range(len(replaced), len(candidates)))
    while stack:
        number = stack.pop()
        if number not in wanted:
            wanted.add(number)
            stack.extend(owner[slot] for slot in reads(candidates[number]) if slot in owner)
    return in_order([candidates[number] for number in sorted(wanted)])
