"""Random models, and what they come to by a plain integrator that shares nothing with the package.

`made(seed)` gives a model together with the same model as Python text for `Plain`. Every expression is written twice, as an
equation and as Python; what has a memory is written out as stocks and histories. Times are fractions, so that the plain
integrator decides exactly what begins in which step: an event at `s` belongs to step floor((s - start) / dt + 1/2).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from building import model, variable
from flowreform.formats.expressions import parse
from flowreform.model import Dimension, Equation, Lookup, LookupKind, Method, Model, Role, Variable

WARD = Dimension("ward", "ward", ("red", "green", "blue"))
ELEMENTS = range(3)
FEATURES = (
    "pulse", "step", "ramp", "lookup", "delay", "smooth", "fixed", "previous", "sample", "array", "non-negative", "time", "power",
)  # fmt: skip
DETAILS = ("order n", *(f"lookup {kind}" for kind in LookupKind))
"""Parts of features that may be left out, too: delays and smooths of an order other than 1 and 3, kinds of lookups."""
STARTS = (Fraction(0), Fraction(-3), Fraction(1, 2), Fraction(9, 4), Fraction(-3, 2), Fraction(12))


# --- the plain integrator ----------------------------------------------------------------------------------------------


@dataclass
class Plain:
    """A model as Python text. `values` are (name, text, held) in an order in which each follows from those before; a held one is
    worked out in the first stage of a step alone. `stocks` are (name, first value, rate, floored); `histories` keep a value of
    every step."""

    start: Fraction
    dt: Fraction
    steps: int
    method: Method
    values: list[tuple[str, str, bool]] = field(default_factory=list)
    stocks: list[tuple[str, str, str, bool]] = field(default_factory=list)
    histories: set[str] = field(default_factory=set)
    tables: dict[str, Callable[[float], float]] = field(default_factory=dict)

    def run(self) -> dict[str, list[float]]:
        """Every value at every step."""
        env: dict[str, object] = {"__builtins__": {}, "n": 0, "t": float(self.start), "begun": float(self.start)}
        env |= {"min": min, "max": max, "abs": abs, "sin": math.sin, "exp": math.exp, "floor": math.floor, "sum": sum}
        env |= {"power": lambda x, y: x**y, "sqrt": math.sqrt, "on": self._on, "fires": self._fires, "past": self._past}
        env |= self.tables
        past: dict[str, list[float]] = {name: [] for name in self.histories}
        env["_past"] = past
        values = [(name, compile(text, name, "eval"), held) for name, text, held in self.values]
        rates = [(name, compile(text, name, "eval"), floored) for name, _, text, floored in self.stocks]
        course: dict[str, list[float]] = {name: [] for name, _, _ in self.values} | {stock[0]: [] for stock in self.stocks}

        def look(first: bool) -> list[float]:
            for name, code, held in values:
                if first or not held:
                    env[name] = eval(code, env)  # noqa: S307 - text of this module's own
            return [eval(code, env) for _, code, _ in rates]  # noqa: S307

        # What stocks start from may read what follows from other stocks: later ones first, until nothing moves.
        for name, _, _, _ in self.stocks:
            env[name] = 0.0
        for _ in range(len(self.stocks) + 2):
            for name, code, _ in values:
                env[name] = eval(code, env)  # noqa: S307
            for name, first, _, _ in self.stocks:
                env[name] = float(eval(first, env))  # noqa: S307
        dt = float(self.dt)
        for n in range(self.steps + 1):
            env["n"], env["begun"] = n, float(self.start + n * self.dt)
            env["t"] = env["begun"]
            before = [float(env[name]) for name, _, _, _ in self.stocks]  # type: ignore[arg-type]
            one = look(True)
            for name in course:
                course[name].append(float(env[name]))  # type: ignore[arg-type]
            for name in past:
                past[name].append(float(env[name]))  # type: ignore[arg-type]
            if n == self.steps:
                break

            at = partial(self._stage, env, float(self.start + n * self.dt), before, look)
            if self.method is Method.EULER:
                mean = one
            elif self.method is Method.RK2:
                mean = [(a + b) / 2 for a, b in zip(one, at(1.0, one), strict=True)]
            else:
                two = at(0.5, one)
                three = at(0.5, two)
                four = at(1.0, three)
                mean = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(one, two, three, four, strict=True)]
            for (name, _, _, floored), level, slope in zip(self.stocks, before, mean, strict=True):
                after = level + dt * slope
                env[name] = max(after, min(level, 0.0)) if floored else after
        return course

    def _stage(
        self, env: dict[str, object], begun: float, before: Sequence[float], look: Callable[[bool], list[float]], share: float,
        slopes: Sequence[float],
    ) -> list[float]:  # fmt: skip
        """The rates at a share of a step, with the stocks moved along some slopes."""
        env["t"] = begun + share * float(self.dt)
        for (name, _, _, _), level, slope in zip(self.stocks, before, slopes, strict=True):
            env[name] = level + share * float(self.dt) * slope
        return look(False)

    def _owner(self, moment: float) -> int:
        return math.floor((Fraction(moment) - self.start) / self.dt + Fraction(1, 2))

    def _on(self, n: int, moment: float) -> bool:
        return n >= self._owner(moment)

    def _fires(self, n: int, first: float, every: float) -> bool:
        if every <= 0.0:
            return n == self._owner(first)
        return any(n == self._owner(float(Fraction(first) + k * Fraction(every))) for k in range(self.steps + 3))

    def _past(self, kept: Mapping[str, list[float]], name: str, n: int, lag: int, before: float) -> float:
        return kept[name][n - lag] if n >= lag else before


def table(points: Sequence[tuple[float, float]], kind: LookupKind) -> Callable[[float], float]:
    """A graphical function, by looking at every pair of points."""

    def read(x: float) -> float:
        if kind is LookupKind.DISCRETE:
            return next((y for at, y in reversed(points) if at <= x), points[0][1])
        if kind is LookupKind.CONTINUOUS and not points[0][0] < x < points[-1][0]:
            return points[0][1] if x <= points[0][0] else points[-1][1]
        pairs = list(itertools.pairwise(points))
        (a, fa), (b, fb) = next((pair for pair in pairs if x <= pair[1][0]), pairs[-1])
        return fa + (fb - fa) / (b - a) * (x - a)

    return read


# --- the generator -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A random model, the same for `Plain`, and which features it has."""

    model: Model
    plain: Plain
    features: frozenset[str]
    names: Mapping[str, str]
    """Where each series of `Plain` stands in results: its name, or an element as `name[red]`."""


class _Maker:
    def __init__(self, seed: int, method: Method | None, without: frozenset[str]) -> None:
        self.random = pick = random.Random(seed)
        start, dt = pick.choice(STARTS), Fraction(1, pick.choice((1, 2, 4, 8)))
        self.plain = Plain(start, dt, pick.randint(8, 24), method or pick.choice(list(Method)))
        self.allowed = [feature for feature in FEATURES if feature not in without]
        self.details = frozenset(DETAILS) - without
        self.features: set[str] = set()
        self.variables: list[Variable] = []
        self.readable: list[tuple[str, str]] = []
        self.names: dict[str, str] = {}
        self.hidden = 0

    # --- numbers and times

    def number(self, low: float = -4.0, high: float = 4.0) -> float:
        return self.random.choice([0.0, 0.25, 0.5, 1.0, -1.0, 2.0, round(self.random.uniform(low, high), 3)])

    def above(self, low: float, high: float) -> float:
        return round(self.random.uniform(low, high), 3)

    def moment(self) -> Fraction:
        """A time at a step, between two, or half-way between them."""
        where = self.random.choice([Fraction(0), Fraction(0), Fraction(1, 2), Fraction(1, 4), Fraction(3, 4), Fraction(1, 8)])
        return self.plain.start + self.plain.dt * (self.random.randint(0, self.plain.steps) + where)

    def chance(self, feature: str, share: float = 0.35) -> bool:
        if feature in self.allowed and self.random.random() < share:
            self.features.add(feature)
            return True
        return False

    # --- what is added to both sides

    def value(self, name: str, text: str, held: bool = False) -> str:
        self.plain.values.append((name, text, held))
        return name

    def beside(self, text: str, held: bool = False) -> str:
        self.hidden += 1
        return self.value(f"h{self.hidden}", text, held)

    def inner_stock(self, first: str, rate: str) -> str:
        self.hidden += 1
        self.plain.stocks.append((f"h{self.hidden}", first, rate, False))
        return f"h{self.hidden}"

    def auxiliary(self, name: str, equation: str, python: str, role: Role = Role.AUXILIARY, **more: object) -> tuple[str, str]:
        self.variables.append(variable(name, role, equation, **more))  # type: ignore[arg-type]
        self.value(name, python)
        self.names[name] = name
        return name, name

    # --- expressions

    def leaf(self) -> tuple[str, str]:
        if not self.readable or self.random.random() < 0.2:
            number = self.number()
            return (f"({number!r})", f"({number!r})")
        return self.random.choice(self.readable)

    def expression(self, depth: int = 2) -> tuple[str, str]:
        if depth == 0:
            return self.leaf()
        (a, pa), (b, pb) = self.expression(depth - 1), self.expression(depth - 1)
        kind = self.random.randint(0, 9)
        if kind < 3:
            op = self.random.choice("+-")
            return f"({a} {op} {b})", f"({pa} {op} {pb})"
        if kind < 5:
            share = self.number(-0.5, 0.5)
            return f"({share!r} * {a})", f"({share!r} * {pa})"
        if kind == 5:
            return f"MIN({a}, {b})", f"min({pa}, {pb})"
        if kind == 6:
            return f"MAX({a}, {b})", f"max({pa}, {pb})"
        if kind == 7:
            return f"({a} / (1 + ABS({b})))", f"({pa} / (1 + abs({pb})))"
        if kind == 8 and self.chance("time"):
            return f"SIN(TIME * {0.5} + {a} / 10)", f"sin(t * 0.5 + {pa} / 10)"
        if kind == 9 and self.chance("power"):
            return f"SQRT(ABS({a}) + 0.5)", f"sqrt(abs({pa}) + 0.5)"
        # Without a jump where the two are equal: which is the larger may depend on the last digit.
        return f"(IF {a} > {b} THEN {a} ELSE 0.5 * ({a} + {b}))", f"({pa} if {pa} > {pb} else 0.5 * ({pa} + {pb}))"

    def special(self) -> tuple[str, str] | None:
        """A call with a meaning in time; the plain side is written out by hand."""
        (x, px), dt, steps = self.leaf(), self.plain.dt, self.plain.steps
        kind = self.random.choice(self.allowed)
        if kind == "pulse":
            first, every = self.moment(), self.random.choice([Fraction(0), dt * self.random.randint(1, 5), dt * Fraction(7, 2)])
            self.features.add("pulse")
            more = f", {float(every)!r}" if every else ""
            text = f"({px}) / {float(dt)!r} if fires(n, {float(first)!r}, {float(every)!r}) else 0.0"
            return f"PULSE({x}, {float(first)!r}{more})", self.beside(text, held=True)
        if kind == "step":
            self.features.add("step")
            at = float(self.moment())
            return f"STEP({x}, {at!r})", f"({px} if on(n, {at!r}) else 0.0)"
        if kind == "ramp":
            self.features.add("ramp")
            first, last = sorted((float(self.moment()), float(self.moment())))
            slope = self.number()
            return f"RAMP({slope!r}, {first!r}, {last!r})", f"{slope!r} * max(0.0, min(t, {last!r}) - {first!r})"
        if kind == "lookup":
            return self.lookup(x, px)
        if kind in ("delay", "smooth"):
            return self.stages(kind, x, px)
        if kind == "fixed":
            self.features.add("fixed")
            lag = self.random.randint(1, 5) + self.random.choice([0, 0, Fraction(1, 4), Fraction(1, 2)])
            count = max(1, math.floor(lag + Fraction(1, 2)))
            first = self.number()
            source = self.beside(px)
            self.plain.histories.add(source)
            read = f"past(_past, {source!r}, n, {count}, {first!r})"
            return f"DELAY({x}, {float(lag * dt)!r}, {first!r})", self.beside(read, held=True)
        if kind == "previous":
            self.features.add("previous")
            first, source = self.number(), self.beside(px)
            self.plain.histories.add(source)
            return f"PREVIOUS({x}, {first!r})", self.beside(f"past(_past, {source!r}, n, 1, {first!r})", held=True)
        if kind == "sample":
            self.features.add("sample")
            at, until, first = float(self.moment()), float(self.moment()), self.number()
            self.hidden += 1
            own = f"h{self.hidden}"
            self.plain.histories.add(own)
            kept = f"past(_past, {own!r}, n, 1, {first!r})"
            self.value(own, f"({px}) if {at!r} < begun < {until!r} else {kept}", held=True)
            return f"SAMPLE_IF_TRUE({at!r} < TIME AND TIME < {until!r}, {x}, {first!r})", own
        assert steps
        return None

    def lookup(self, x: str, px: str) -> tuple[str, str]:
        self.features.add("lookup")
        kinds = [kind for kind in LookupKind if f"lookup {kind}" in self.details]
        kind, count = self.random.choice(kinds), self.random.choice([2, 3, 7, 30])
        self.features.add(f"lookup {kind}")
        low = self.random.choice([-3.0, 0.0, float(self.plain.start)])
        xs = [low + 0.5 * i + (0.125 if i % 3 == 2 else 0.0) for i in range(count)]
        points = [(at, self.number()) for at in xs]
        name = f"g{len(self.plain.tables)}"
        self.plain.tables[name] = table(points, kind)
        of_time = self.random.random() < 0.5
        equation, argument = ("TIME", "t") if of_time else (x, px)
        if of_time and kind is LookupKind.DISCRETE:
            argument = "begun"
        own = f"r{name}"
        found = Lookup(tuple(xs), tuple(y for _, y in points), kind)
        return self.auxiliary(own, equation, f"{name}({argument})", lookup=found)

    def stages(self, kind: str, x: str, px: str) -> tuple[str, str]:
        """A delay or a smooth of some order, as its stages."""
        self.features.add(kind)
        order = self.random.choice([1, 3, 3, 2, 4] if "order n" in self.details else [1, 3])
        time = round(float(self.plain.dt) * order * self.random.uniform(1.0, 5.0), 3)
        share = time / order
        name = {1: "{}1", 3: "{}3"}.get(order, "{}N").format("DELAY" if kind == "delay" else "SMTH")
        if order not in (1, 3):
            self.features.add("order n")
        first = self.number() if self.random.random() < 0.5 else None
        more = (f", {order}" if name.endswith("N") else "") + (f", {first!r}" if first is not None else "")
        source = self.beside(px)
        begin = source if first is None else repr(first)
        following = source
        for _ in range(order):
            if kind == "delay":
                stock = self.inner_stock(f"({begin}) * {share!r}", "")
                out = self.beside(f"{stock} / {share!r}")
                self.rate(stock, f"{following} - {out}")
                following = out
            else:
                stock = self.inner_stock(begin, "")
                self.rate(stock, f"({following} - {stock}) / {share!r}")
                following = stock
        return f"{name}({x}, {time!r}{more})", following

    def rate(self, stock: str, text: str) -> None:
        at = next(i for i, part in enumerate(self.plain.stocks) if part[0] == stock)
        name, first, _, floored = self.plain.stocks[at]
        self.plain.stocks[at] = (name, first, text, floored)

    # --- whole models

    def make(self) -> Made:
        count = self.random.randint(1, 3)
        stocks = [f"s{i}" for i in range(count)]
        self.readable = [(name, name) for name in stocks]
        starts = {name: self.number(-5.0, 20.0) for name in stocks}
        for i in range(self.random.randint(2, 5)):
            found = self.special() if self.random.random() < 0.7 else None
            equation, python = found or self.expression()
            self.readable.append(self.auxiliary(f"a{i}", equation, python))
        inflows: dict[str, list[str]] = {name: [] for name in stocks}
        outflows: dict[str, list[str]] = {name: [] for name in stocks}
        for i in range(self.random.randint(count, count + 2)):
            equation, python = self.expression(1)
            name = f"f{i}"
            self.auxiliary(name, f"0.3 * {equation}", f"0.3 * {python}", Role.FLOW)
            self.readable.append((name, name))
            target, source = stocks[i % count], self.random.choice([None, *stocks])
            inflows[target].append(name)
            if source is not None and source != target:
                outflows[source].append(name)
        for name in stocks:
            self.stock(name, starts[name], inflows[name], outflows[name])
        if self.chance("non-negative", 0.5):
            self.cascade()
        if self.chance("array", 0.4):
            self.arrays()
        made = model(
            self.variables, start=float(self.plain.start), stop=float(self.plain.start + self.plain.dt * self.plain.steps),
            dt=float(self.plain.dt), method=self.plain.method, dimensions=[WARD] if "array" in self.features else [],
        )  # fmt: skip
        return Made(made, self.plain, frozenset(self.features), self.names)

    def stock(self, name: str, first: float, into: Sequence[str], out: Sequence[str], floored: bool = False) -> None:
        self.variables.append(
            variable(name, Role.STOCK, repr(first), inflows=tuple(into), outflows=tuple(out), non_negative=floored)
        )
        rate = " + ".join(into) or "0.0"
        rate += "".join(f" - {flow}" for flow in out)
        self.plain.stocks.append((name, repr(first), rate, floored))
        self.names[name] = name

    def cascade(self) -> None:
        """Non-negative stocks in a row, upstream first: each outflow at most what is there, in order."""
        dt, before = float(self.plain.dt), self.flow("c0", *self.expression(1))
        for i in range(self.random.randint(1, 3)):
            first = abs(self.number(0.0, 6.0))
            name, outs = f"p{i}", [f"c{i + 1}", f"d{i}"][: self.random.randint(1, 2)]
            held = self.beside(name, held=True)
            room = self.beside(f"max(0.0, {held} / {dt!r} + {before})")
            for out in outs:
                equation, python = self.expression(1)
                speed = self.above(0.2, 4.0)
                self.variables.append(variable(out, Role.FLOW, f"{speed!r} * {equation}", non_negative=True))
                self.value(out, f"min(max({speed!r} * {python}, 0.0), {room})")
                self.names[out] = out
                room = self.beside(f"{room} - {out}")
            self.stock(name, first, [before], outs, floored=True)
            before = outs[0]

    def flow(self, name: str, equation: str, python: str) -> str:
        self.variables.append(variable(name, Role.FLOW, equation, non_negative=True))
        self.value(name, f"max({python}, 0.0)")
        self.names[name] = name
        return name

    def arrays(self) -> None:
        """A stock for each ward, fed by the others' mean and a number of its own, and the sum of all."""
        own = [self.number() for _ in ELEMENTS]
        equations = tuple(Equation("", parse(repr(x)), subscripts=(e,)) for e, x in zip(WARD.elements, own, strict=True))
        self.variables.append(Variable("w", "w", Role.PARAMETER, equations, ("ward",)))
        share, (x, px) = self.above(0.05, 0.5), self.leaf()
        sides = {
            "into": ("w[ward] + MEAN(q[*])", "({w} + (q_0 + q_1 + q_2) / 3)"),
            "away": (f"{share!r} * q[ward] + {x}", f"({share!r} * {{q}} + {px})"),
        }
        for name, (equation, python) in sides.items():
            self.variables.append(variable(name, Role.FLOW, equation, dimensions=("ward",)))
            for i in ELEMENTS:
                self.value(f"{name}_{i}", python.format(w=repr(own[i]), q=f"q_{i}"))
                self.names[f"{name}_{i}"] = f"{name}[{WARD.elements[i]}]"
        self.variables.append(
            variable("q", Role.STOCK, "w[ward] * 2", dimensions=("ward",), inflows=("into",), outflows=("away",))
        )
        for i in ELEMENTS:
            self.plain.stocks.append((f"q_{i}", repr(own[i] * 2), f"into_{i} - away_{i}", False))
            self.names[f"q_{i}"] = f"q[{WARD.elements[i]}]"
        self.auxiliary("all_wards", "SUM(q[*])", "q_0 + q_1 + q_2")


def made(seed: int, method: Method | None = None, without: Sequence[str] = ()) -> Made:
    """The random model of a seed; by another method, or without some features, it is another model."""
    return _Maker(seed, method, frozenset(without)).make()
