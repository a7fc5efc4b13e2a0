"""Small problems whose best plan is known, as models built in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from building import auxiliary, flow, model, parameter, stock
from flowreform.experiment import Experiment
from flowreform.model import Variable


def with_unit(item: Variable, units: str) -> Variable:
    """The variable in another unit."""
    return replace(item, units=units)


def experiment(
    variables: Sequence[Variable],
    plan: Mapping[str, object],
    *,
    kpis: Mapping[str, str] | None = None,
    uncertainties: Mapping[str, tuple[float, float]] | None = None,
    better: str = "lower",
    stop: float = 4.0,
    dt: float = 1.0,
    seed: int = 3,
) -> Experiment:
    """An experiment with one scenario and a plan; each KPI is a variable at the end, each uncertainty uniform."""
    clock = stock("clock", "0")  # a model has a stock at least
    built = model([*variables, clock], stop=stop, dt=dt)
    return Experiment(
        built,
        scenarios={"as_is": {}},
        kpis={
            name: {"variable": variable, "statistic": "final", "better": better, "unit": "dimensionless"}
            for name, variable in (kpis or {"cost": "cost"}).items()
        },
        uncertainties={
            name: {"distribution": "uniform", "low": low, "high": high} for name, (low, high) in (uncertainties or {}).items()
        }
        or None,
        draws=100 if uncertainties else 1,
        design="latin_hypercube" if uncertainties else "random",
        seed=seed,
        plan=plan,
    )


def between(low: float, high: float, step: float) -> dict[str, float]:
    """A decision."""
    return {"from": low, "to": high, "step": step}


def unitless(variables: Sequence[Variable]) -> list[Variable]:
    """The variables without a dimension."""
    return [with_unit(item, "dimensionless") for item in variables]


def bowl(decisions: int) -> list[Variable]:
    """`cost` is the squared distance of x1, x2, ... from 3, 4, ..., tilted so that axes alone are slow."""
    names = [f"x{at + 1}" for at in range(decisions)]
    square = " + ".join(f"({name} - {at + 3})^2" for at, name in enumerate(names))
    tilt = f" + 0.5*(x1 - 3)*({names[-1]} - {decisions + 2})" if decisions > 1 else ""
    return unitless([*(parameter(name, 0.0) for name in names), auxiliary("cost", square + tilt)])


def chance() -> list[Variable]:
    """More of `x` is wanted, and x + luck must stay under 2: with luck between 0 and 1, kept in 90 % of draws up to x = 1.1."""
    return unitless([parameter("x", 0.0), parameter("luck", 0.5), auxiliary("load", "x + luck"), auxiliary("cost", "5 - x")])


def lake(b: float = 0.42, q: float = 2.0) -> list[Variable]:
    """Phosphorus in a shallow lake (Carpenter, Ludwig and Brock 1999): dX = discharge + inflow + X^q/(1 + X^q) - b X a year."""
    units = [
        parameter("discharge", 0.0), parameter("inflow", 0.02),
        auxiliary("recycled", f"phosphorus^{q}/(1 + phosphorus^{q})"), auxiliary("cost", "1 - discharge"),
    ]  # fmt: skip
    moving = [
        stock("phosphorus", "0", inflows=("loading",), outflows=("losing",)),
        flow("loading", "discharge + inflow + recycled"),
        flow("losing", f"{b}*phosphorus"),
    ]
    return [*unitless(units), *moving]


def zdt(kind: int, decisions: int = 4) -> list[Variable]:
    """The two objectives of ZDT1 or ZDT2 (Zitzler, Deb and Thiele 2000); `cost` is the second."""
    names = [f"x{at + 1}" for at in range(decisions)]
    g = f"1 + 9*({' + '.join(names[1:])})/{decisions - 1}"
    second = "g*(1 - SQRT(first/g))" if kind == 1 else "g*(1 - (first/g)^2)"
    items = [*(parameter(name, 0.5) for name in names), auxiliary("first", "x1"), auxiliary("g", g)]
    items.append(auxiliary("cost", second))
    return unitless(items)


def dtlz2(decisions: int = 4) -> list[Variable]:
    """The two objectives of DTLZ2 (Deb, Thiele, Laumanns and Zitzler 2002); `cost` is the second."""
    names = [f"x{at + 1}" for at in range(decisions)]
    g = " + ".join(f"({name} - 0.5)^2" for name in names[1:])
    half = "1.5707963267948966"
    items = [
        *(parameter(name, 0.25) for name in names), auxiliary("g", g),
        auxiliary("first", f"(1 + g)*COS(x1*{half})"), auxiliary("cost", f"(1 + g)*SIN(x1*{half})"),
    ]  # fmt: skip
    return unitless(items)


def moving_target() -> list[Variable]:
    """`cost` adds up the squared distance of x from a target that steps from 0 to 10 at time 2."""
    items = unitless([parameter("x", 0.0), auxiliary("target", "STEP(10, 2)")])
    return [*items, stock("cost", "0", inflows=("missing",)), flow("missing", "(x - target)^2")]
