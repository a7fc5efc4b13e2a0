"""Small models built in Python, so that tests of the engine need no file."""

from __future__ import annotations

from collections.abc import Iterable

from flowreform.formats.expressions import parse
from flowreform.model import Dimension, Equation, Lookup, Method, Model, Role, SimSpecs, Variable, canonical


def variable(
    name: str,
    role: Role,
    text: str | None,
    *,
    lookup: Lookup | None = None,
    dimensions: tuple[str, ...] = (),
    inflows: tuple[str, ...] = (),
    outflows: tuple[str, ...] = (),
    non_negative: bool = False,
) -> Variable:
    """A variable with one equation."""
    equation = Equation(text or "", parse(text) if text is not None else None, lookup=lookup)
    return Variable(
        canonical(name), name, role, (equation,), dimensions, inflows=inflows, outflows=outflows, non_negative=non_negative
    )


def stock(name: str, start: str, inflows: tuple[str, ...] = (), outflows: tuple[str, ...] = (), **more: object) -> Variable:
    """A stock."""
    return variable(name, Role.STOCK, start, inflows=inflows, outflows=outflows, **more)  # type: ignore[arg-type]


def flow(name: str, text: str, **more: object) -> Variable:
    """A flow."""
    return variable(name, Role.FLOW, text, **more)  # type: ignore[arg-type]


def auxiliary(name: str, text: str, **more: object) -> Variable:
    """An auxiliary."""
    return variable(name, Role.AUXILIARY, text, **more)  # type: ignore[arg-type]


def parameter(name: str, value: float) -> Variable:
    """A parameter."""
    return variable(name, Role.PARAMETER, repr(value))


def model(
    variables: Iterable[Variable],
    *,
    start: float = 0.0,
    stop: float = 10.0,
    dt: float = 0.25,
    method: Method = Method.EULER,
    dimensions: Iterable[Dimension] = (),
    name: str = "built",
) -> Model:
    """A model of these variables."""
    return Model(
        name,
        SimSpecs(start, stop, dt, method, "month"),
        {item.name: item for item in variables},
        {item.name: item for item in dimensions},
    )
