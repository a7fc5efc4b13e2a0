"""What other programs do with the constructs of a model: one table, held to what PySD and simlin do by its tests.

Every row is a construct with a very small model that uses it. `tests/test_portability.py` runs that model through PySD and
simlin and compares the verdicts below with what they did. Stella and Vensim cannot be run by a test: their verdicts follow the
function references and help pages of their makers (`docs/functions.md`) and the vendor-checked tables of the conformance suite
(`docs/witnesses.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.model import Call, LookupKind, Method, Model, Star, Variable, walk


class Verdict(StrEnum):
    """What a program does with a construct."""

    READS = "reads"
    OTHERWISE = "otherwise"
    NO = "no"


READS, OTHERWISE, NO = Verdict.READS, Verdict.OTHERWISE, Verdict.NO
TOOLS = ("stella", "vensim", "pysd", "simlin")
Found = Callable[[Model], list[str]]
"""The variables of a model that use a construct."""


@dataclass(frozen=True, slots=True)
class Construct:
    """One construct: what each program does with it, why, and the smallest model that shows it.

    `found` says where a model uses it, or `functions` names the calls that do. `example` is Vensim's text where it begins with
    `{UTF-8}`, else the variables of an XMILE model, to 8 in steps of 0.5; `header` stands before them."""

    what: str
    stella: Verdict
    vensim: Verdict
    pysd: Verdict
    simlin: Verdict
    note: str
    example: str
    functions: tuple[str, ...] = ()
    found: Found | None = None
    header: str = ""
    method: str = "Euler"

    def where(self, model: Model) -> list[str]:
        """The variables of a model that use it."""
        if self.found is not None:
            return self.found(model)
        wanted = frozenset(self.functions)
        return [variable.label for variable in _variables(model) if wanted & _called(variable)]


def _variables(model: Model) -> Iterator[Variable]:
    yield from model
    for macro in model.macros.values():
        yield from macro.variables


def _called(variable: Variable) -> frozenset[str]:
    """The built-ins that the equations of a variable call, by the names of their records."""
    parts = (part for equation in variable.equations for expr in (equation.expr, equation.initial) if expr for part in walk(expr))
    return frozenset(builtins.ALIASES.get(part.function, part.function) for part in parts if isinstance(part, Call))


def _with(test: Callable[[Variable], object]) -> Found:
    return lambda model: [variable.label for variable in _variables(model) if test(variable)]


def _graph(kind: LookupKind) -> Found:
    return _with(lambda item: any(equation.lookup and equation.lookup.kind is kind for equation in item.equations))


def _starred(variable: Variable) -> bool:
    return any(isinstance(part, Star) for equation in variable.equations if equation.expr for part in walk(equation.expr))


def _random(model: Model) -> list[str]:
    kinds = {row.name for row in builtins.BUILTINS.values() if row.kind is Kind.RANDOM}
    return [variable.label for variable in _variables(model) if kinds & _called(variable)]


def _method(*methods: Method) -> Found:
    return lambda model: [f"method {model.specs.method}"] if model.specs.method in methods else []


_TANK = '<stock name="s"><eqn>{start}</eqn>{flows}{more}</stock>'


def stock(start: str, inflow: str = "", outflow: str = "", more: str = "") -> str:
    """A stock with the flows named, as XMILE."""
    flows = (f"<inflow>{inflow}</inflow>" if inflow else "") + (f"<outflow>{outflow}</outflow>" if outflow else "")
    return _TANK.format(start=start, flows=flows, more=more)


def flow(name: str, equation: str, more: str = "") -> str:
    """A flow, as XMILE."""
    return f'<flow name="{name}"><eqn>{equation}</eqn>{more}</flow>'


def aux(name: str, equation: str, more: str = "") -> str:
    """An auxiliary, as XMILE."""
    return f'<aux name="{name}"><eqn>{equation}</eqn>{more}</aux>'


_TIMES = "INITIAL TIME = 0 ~~|\nFINAL TIME = 8 ~~|\nTIME STEP = 0.5 ~~|\nSAVEPER = TIME STEP ~~|\n"


def vensim(*lines: str) -> str:
    """A Vensim model of these equations."""
    return "{UTF-8}\n" + "".join(f"{line} ~~|\n" for line in lines) + _TIMES


_WAVE = aux("x", "10 + 3 * SIN(TIME)")
_GF = "<gf{kind}><xpts>0,2,4</xpts><ypts>1,5,2</ypts></gf>"
_DIMENSION = '<dimensions><dim name="Ward"><elem name="a"/><elem name="b"/></dim></dimensions>'
_BEDS = '<aux name="beds"><dimensions><dim name="Ward"/></dimensions><element subscript="a"><eqn>3</eqn></element>\
<element subscript="b"><eqn>5</eqn></element></aux>'

TABLE: tuple[Construct, ...] = (
    Construct(
        "integration by RK4 or RK2",
        READS,
        READS,
        OTHERWISE,
        READS,
        "PySD integrates by Euler's method whatever the file says",
        stock("100", outflow="f") + flow("f", "s / 3"),
        found=_method(Method.RK4, Method.RK2),
        method="RK4",
    ),
    Construct(
        "non-negative stock",
        READS,
        NO,
        OTHERWISE,
        OTHERWISE,
        "Stella limits the outflow to what is there; PySD holds the stock at zero while the outflow runs on; simlin "
        "passes over the flag; "
        "Vensim has no such flag: write MIN into the outflow",
        stock("10", outflow="f", more="<non_negative/>")
        + flow("f", "4")
        + '<stock name="t"><eqn>0</eqn><inflow>f</inflow></stock>',
        found=_with(lambda item: item.role == "stock" and item.non_negative),
    ),
    Construct(
        "flow that is never below zero",
        READS,
        NO,
        READS,
        OTHERWISE,
        "Vensim has no such flag: write MAX(0, ...), which simlin reads as well",
        stock("10", inflow="f") + flow("f", "2 - TIME", "<non_negative/>"),
        found=_with(lambda item: item.role == "flow" and item.non_negative),
    ),
    Construct(
        "conveyor",
        READS,
        NO,
        NO,
        READS,
        "write a DELAY FIXED for Vensim and PySD",
        '<stock name="s"><eqn>10</eqn><inflow>f</inflow><outflow>g</outflow><conveyor><len>2</len></conveyor></stock>'
        + flow("f", "5")
        + '<flow name="g"></flow>',
        found=_with(lambda item: item.conveyor is not None),
    ),
    Construct(
        "queue",
        READS,
        NO,
        NO,
        READS,
        "write a stock with a MIN on its outflow for the others",
        '<stock name="q"><eqn>10</eqn><inflow>f</inflow><outflow>h</outflow><queue/></stock>'
        '<stock name="s"><eqn>0</eqn><inflow>h</inflow><outflow>g</outflow><conveyor discrete="true"><len>2</len>'
        "<capacity>6</capacity></conveyor></stock>" + flow("f", "5") + '<flow name="h"></flow><flow name="g"></flow>',
        found=_with(lambda item: item.queue),
    ),
    Construct(
        "graph read in steps",
        READS,
        NO,
        OTHERWISE,
        OTHERWISE,
        "PySD and simlin read it as straight lines",
        aux("y", "TIME", _GF.format(kind=' type="discrete"')),
        found=_graph(LookupKind.DISCRETE),
    ),
    Construct(
        "graph that goes on beyond its ends",
        READS,
        READS,
        OTHERWISE,
        OTHERWISE,
        "PySD and simlin hold its end values",
        aux("y", "TIME", _GF.format(kind=' type="extrapolate"')),
        found=_graph(LookupKind.EXTRAPOLATE),
    ),
    Construct(
        "sums and means over a dimension",
        READS,
        READS,
        NO,
        READS,
        "PySD's XMILE reader refuses them: write the elements out",
        _BEDS + aux("y", "SUM(beds[*])"),
        found=_with(_starred),
        header=_DIMENSION,
    ),
    Construct(
        "array with an equation for each element",
        READS,
        READS,
        READS,
        READS,
        "",
        _BEDS + '<aux name="y"><dimensions><dim name="Ward"/></dimensions><eqn>2 * beds[Ward]</eqn></aux>',
        found=_with(lambda item: item.dimensions),
        header=_DIMENSION,
    ),
    Construct(
        "random function",
        OTHERWISE,
        OTHERWISE,
        NO,
        NO,
        "every program draws numbers of its own; ours are drawn before the run, with --noise-seed",
        aux("y", "UNIFORM(0, 1)"),
        found=_random,
    ),
    Construct(
        "DELAY1, DELAY3",
        READS,
        READS,
        READS,
        READS,
        "",
        _WAVE + aux("y", "DELAY1(x, 2)") + aux("z", "DELAY3(x, 2)"),
        ("delay1", "delay3"),
    ),
    Construct(
        "DELAYN, SMTHN",
        READS,
        READS,
        READS,
        NO,
        "for simlin write a chain of DELAY1 or SMTH1",
        _WAVE + aux("y", "DELAYN(x, 3, 2)") + aux("z", "SMTHN(x, 3, 2)"),
        ("delayn", "smthn"),
    ),
    Construct(
        "SMTH1, SMTH3",
        READS,
        READS,
        READS,
        READS,
        "",
        _WAVE + aux("y", "SMTH1(x, 2)") + aux("z", "SMTH3(x, 2)"),
        ("smth1", "smth3"),
    ),
    Construct(
        "DELAY",
        READS,
        NO,
        READS,
        OTHERWISE,
        "in Vensim write DELAY FIXED; simlin works out a chain of stages",
        _WAVE + aux("y", "DELAY(x, 2, 1)"),
        ("delay",),
    ),
    Construct(
        "TREND, FORCST",
        READS,
        READS,
        READS,
        NO,
        "simlin has TREND and no FORCST",
        _WAVE + aux("y", "TREND(x, 2)") + aux("z", "FORCST(x, 2, 3)"),
        ("trend", "forcst"),
    ),
    Construct(
        "PREVIOUS",
        READS,
        NO,
        NO,
        READS,
        "in Vensim write DELAY FIXED by one step",
        _WAVE + aux("y", "PREVIOUS(x, 1)"),
        ("previous",),
    ),
    Construct("HISTORY, DERIVN", READS, NO, NO, NO, "", _WAVE + aux("y", "HISTORY(x, TIME - 2)"), ("history", "derivn")),
    Construct("INIT", READS, READS, READS, READS, "", _WAVE + aux("y", "INIT(x)"), ("init",)),
    Construct("STEP, RAMP", READS, READS, READS, READS, "", aux("y", "STEP(2, 3)") + aux("z", "RAMP(1, 2)"), ("step", "ramp")),
    Construct(
        "PULSE",
        READS,
        NO,
        READS,
        READS,
        "a pulse between two steps is given in the step after it; PySD and simlin lose it. Vensim's PULSE is another function",
        stock("0", inflow="f") + flow("f", "PULSE(10, 2, 3)"),
        ("pulse",),
    ),
    Construct(
        "MOD, INT of numbers below zero",
        READS,
        READS,
        READS,
        OTHERWISE,
        "simlin rounds towards minus infinity",
        aux("y", "INT(2 - TIME)"),
        ("int", "integer", "modulo"),
    ),
    Construct(
        "SAFEDIV, ROOTN, PERCENT, SINWAVE, COSWAVE",
        READS,
        NO,
        NO,
        NO,
        "write them out",
        aux("y", "PERCENT(0.3)") + aux("z", "SINWAVE(2, 5)"),
        ("safediv", "rootn", "percent", "sinwave", "coswave", "endval"),
    ),
    Construct("NORMALCDF, INVNORM", READS, NO, NO, NO, "", aux("y", "NORMALCDF(0, 1)"), ("normalcdf", "normal_quantile")),
    Construct(
        "XIDZ, ZIDZ",
        NO,
        READS,
        READS,
        READS,
        "in Stella write SAFEDIV",
        vensim("y = XIDZ(1, Time, 7)", "z = ZIDZ(1, Time)"),
        ("xidz",),
    ),
    Construct(
        "SAMPLE IF TRUE",
        NO,
        READS,
        READS,
        READS,
        "in Stella write PREVIOUS(SELF, ...)",
        vensim("x = 10 + 3 * SIN(Time)", "y = SAMPLE IF TRUE(x > 11, x, 1)"),
        ("sample_if_true",),
    ),
    Construct(
        "DELAY FIXED",
        NO,
        READS,
        READS,
        OTHERWISE,
        "in Stella write DELAY",
        vensim("x = 10 + 3 * SIN(Time)", "y = DELAY FIXED(x, 2, 1)"),
        ("delay_fixed",),
    ),
    Construct(
        "DELAY N",
        NO,
        READS,
        READS,
        NO,
        "in Stella write DELAYN: a delay time that changes means another thing there",
        vensim("x = 10 + 3 * SIN(Time)", "y = DELAY N(x, 3 + STEP(1, 4), 10, 2)"),
        ("delay_n",),
    ),
    Construct(
        "DELAY MATERIAL, DELAY INFORMATION",
        NO,
        READS,
        NO,
        NO,
        "",
        vensim("x = 10 + 3 * SIN(Time)", "y = DELAY INFORMATION(x, 2, 1)"),
        ("delay_material", "delay_information"),
    ),
    Construct(
        "PULSE and PULSE TRAIN of Vensim",
        NO,
        READS,
        OTHERWISE,
        READS,
        "in Stella write IF TIME >= ... THEN 1 ELSE 0; PySD leaves out a pulse that begins at the very end of a train",
        vensim("y = PULSE(2, 3)", "z = PULSE TRAIN(1, 1, 3, 7)"),
        ("pulse_width", "pulse_train"),
    ),
    Construct(
        "ACTIVE INITIAL",
        NO,
        READS,
        READS,
        READS,
        "",
        vensim("y = ACTIVE INITIAL(s * 2, 5)", "s = INTEG(1, y)"),
        found=_with(lambda item: any(equation.initial is not None for equation in item.equations)),
    ),
    Construct(
        "QUANTUM",
        NO,
        READS,
        READS,
        READS,
        "in Stella write INT(x / unit) * unit",
        vensim("y = QUANTUM(Time * 0.7, 0.5)"),
        ("quantum",),
    ),
    Construct(
        "VECTOR SELECT",
        NO,
        READS,
        READS,
        OTHERWISE,
        "",
        vensim("Ward: a, b", "x[a] = 3", "x[b] = 5", "c[a] = 1", "c[b] = 0.5", "y = VECTOR SELECT(c[Ward!], x[Ward!], 0, 1, 0)"),
        ("vector_select",),
    ),
    Construct(
        "VECTOR SORT ORDER, VECTOR RANK, VECTOR REORDER",
        NO,
        READS,
        READS,
        READS,
        "",
        vensim(
            "Ward: a, b", "x[a] = 5", "x[b] = 3", "y[Ward] = VECTOR SORT ORDER(x[Ward], 1)", "z[Ward] = VECTOR RANK(x[Ward], 1)"
        ),
        ("vector_sort_order", "vector_rank", "vector_reorder"),
    ),
    Construct(
        "VECTOR ELM MAP",
        NO,
        READS,
        NO,
        NO,
        "",
        vensim("Ward: a, b", "x[a] = 3", "x[b] = 5", "y = VECTOR ELM MAP(x[a], 1)"),
        ("vector_elm_map",),
    ),
    Construct(
        "ALLOCATE BY PRIORITY",
        NO,
        READS,
        READS,
        OTHERWISE,
        "",
        vensim(
            "Ward: a, b",
            "x[a] = 3",
            "x[b] = 5",
            "p[a] = 2",
            "p[b] = 1",
            "y[Ward] = ALLOCATE BY PRIORITY(x[Ward], p[Ward], 2, 1, 4)",
        ),
        ("allocate_by_priority",),
    ),
    Construct(
        "ALLOCATE AVAILABLE",
        NO,
        READS,
        OTHERWISE,
        OTHERWISE,
        "PySD gives fewer digits than Vensim",
        vensim(
            "Ward: a, b",
            "pp: ptype, ppriority, pwidth, pextra",
            "x[a] = 3",
            "x[b] = 5",
            "profile[Ward, ptype] = 3",
            "profile[a, ppriority] = 2",
            "profile[b, ppriority] = 1",
            "profile[Ward, pwidth] = 1",
            "profile[Ward, pextra] = 0",
            "y[Ward] = ALLOCATE AVAILABLE(x[Ward], profile[Ward, ptype], 4)",
        ),
        ("allocate_available",),
    ),
    Construct(
        "INVERT MATRIX",
        NO,
        READS,
        READS,
        NO,
        "",
        vensim(
            "R: a, b",
            "C <-> R",
            "x[a, a] = 2",
            "x[a, b] = 1",
            "x[b, a] = 1",
            "x[b, b] = 3",
            "y[R, C] = INVERT MATRIX(x[R, C], 2)",
        ),
        ("invert_matrix",),
    ),
    Construct(
        "NPV of Vensim",
        NO,
        READS,
        NO,
        READS,
        "what is reported as a total had better be a stock",
        vensim("y = NPV(100, 0.1, 0, 1)"),
        ("npv",),
    ),
    Construct(
        "POWER, GAMMA LN",
        NO,
        READS,
        NO,
        NO,
        "in Stella write ^ and GAMMALN",
        vensim("y = POWER(2, Time)", "z = GAMMA LN(Time + 1)"),
        ("power", "gamma_ln"),
    ),
    Construct(
        "macro",
        READS,
        READS,
        READS,
        NO,
        "write it out where it is called",
        "{UTF-8}\n:MACRO: TWICE(x)\nTWICE = x * 2 ~~|\n:END OF MACRO:\n" + "y = TWICE(Time) ~~|\n" + _TIMES,
        found=lambda model: [f"macro {name}" for name in model.macros],
    ),
)


@dataclass(frozen=True, slots=True)
class Use:
    """A construct that a model uses, and the variables that do."""

    construct: Construct
    variables: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        row = self.construct
        verdicts = {tool: str(getattr(row, tool)) for tool in TOOLS}
        return {"construct": row.what, **verdicts, "note": row.note, "variables": list(self.variables)}


def portability(model: Model) -> tuple[Use, ...]:
    """The constructs of the table that a model uses, in the table's order. What no row names is read by all four alike."""
    uses = ((row, row.where(model)) for row in TABLE)
    return tuple(Use(row, tuple(dict.fromkeys(names))) for row, names in uses if names)


__all__ = ["TABLE", "TOOLS", "Construct", "Use", "Verdict", "portability"]
