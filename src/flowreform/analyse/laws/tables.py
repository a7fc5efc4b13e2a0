"""What a case file says about laws: `[laws]` (what must be so of every run) and `[conclusions]` (what is learnt from it).

Names of variables, settings that switch things off and limits all stand in the file; the rules that use them stand in
`rules`. Settings of laws are tests and may lie outside a variable's range, unlike those of gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, Strict

from flowreform.case import Case
from flowreform.errors import Finding, ModelError, did_you_mean
from flowreform.model import Model, Role
from flowreform.names import Unknown, find
from flowreform.toml import Document, Loc, Table, parse, parse_tables

Strings = Annotated[tuple[str, ...], Strict(False)]


class Steady(Table):
    """`[laws.steady]`: what must be switched off for the model to stay where it starts."""

    settings: Annotated[dict[str, float], Field(alias="set", default_factory=dict)]
    """`set`: parameters and the values that switch levers, dated events, adoption, growth and winter off."""


class NoDemand(Table):
    """`[laws.no_demand]`: demand taken away from the first day; people must leave."""

    settings: Annotated[dict[str, float], Field(alias="set", min_length=1)]
    """`set`: parameters and the values that stop every referral; initial stocks must not hang on them."""
    empties: Annotated[Strings, Field(min_length=1)]
    """The stocks of people that must run empty."""


class Laws(Table):
    """`[laws]`: what must be so of every run, whatever the inputs."""

    running_totals: Strings = ()
    """Stocks that only add up or discount; the steady state says nothing of them."""
    may_be_negative: Strings = ()
    """Stocks that may fall under 0, such as net costs; no other may."""
    intensive_units: Strings = ()
    """Units that do not scale with the size of the system, besides time: `site`."""
    save_every: Annotated[float, Field(gt=0)] | None = None
    """The saving interval by which a time KPI may move when dt is halved; the file's own when missing, else dt."""
    conserved: dict[str, str] = Field(default_factory=dict)
    """Variables that must stay 0, each with the variable whose size it is compared with."""
    never_above: dict[str, str] = Field(default_factory=dict)
    """Variables that may never exceed another one."""
    steady: Steady | None = None
    """The model's own steady state."""
    no_demand: NoDemand | None = None
    """The model without demand."""
    halved_dt_misses: dict[str, str] = Field(default_factory=dict)
    """KPIs that are known to move by more than the limit when dt is halved, each with the reason: shown as broken, and a
    test fails when one that is not named here breaks, or when none of those named does any more."""


class Conclusion(Table):
    """`[conclusions.<name>]`: a sentence that a decision-maker would take away, and the difference that carries it."""

    label: str
    """The sentence."""
    kpi: str
    """The KPI that is compared."""
    gate: str
    """The gate whose settings are run."""
    against: str = ""
    """The gate whose settings it is compared with; the model as it stands when missing."""
    sign: Literal["higher", "lower"]
    """The sign of the difference, `gate` less `against`, same draw against same draw."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of draws in which the sign must hold."""


@dataclass(frozen=True)
class Rules:
    """The laws and conclusions of a case file, checked against its model; `laws` is None when it states none."""

    laws: Laws | None
    conclusions: Mapping[str, Conclusion]


def read_rules(model: Model, case: Case) -> Rules:
    """The laws and conclusions that stand in a case file.

    Raises ModelError with every fault found: unknown keys and names, a stock that is none, a KPI or gate that is not there."""
    document = case.document
    if document is None:
        return Rules(None, {})
    findings: list[Finding] = []
    laws = None
    if "laws" in document.table:
        laws = parse(Laws, document.table["laws"], document, ("laws",), findings)
        if laws is not None:
            laws = _checked(laws, model, document, findings)
    conclusions = parse_tables(Conclusion, document, "conclusions", findings)
    for name, item in conclusions.items():
        loc: Loc = ("conclusions", name)
        for key, text, known in (
            ("kpi", item.kpi, case.kpis), ("gate", item.gate, case.gates), ("against", item.against, case.gates)
        ):  # fmt: skip
            if text not in known and not (key == "against" and not text):
                word = "KPI" if key == "kpi" else "gate"
                hint = did_you_mean(text, known) or f"known are {', '.join(known) or 'none'}"
                findings.append(document.fault("unknown-name", (*loc, key), f'there is no {word} "{text}"', hint))
    if findings:
        raise ModelError(findings)
    return Rules(laws, conclusions)


def _checked(laws: Laws, model: Model, document: Document, findings: list[Finding]) -> Laws:
    """The same with canonical names; faults are added to `findings`."""

    def name(text: str, loc: Loc, *, parameter: bool = False, stock: bool = False) -> str:
        found = find(model, text, parameter=parameter)
        if isinstance(found, Unknown):
            findings.append(document.fault("unknown-variable", loc, found.reason, found.repair, element=text))
            return text
        if stock and found.variable.role is not Role.STOCK:
            reason, repair = f"this is a {found.variable.role}, not a stock", "name a stock"
            findings.append(document.fault("not-a-stock", loc, reason, repair, element=text))
        return found.name

    def names(items: Iterable[str], key: str, *, stock: bool = True) -> tuple[str, ...]:
        return tuple(name(text, ("laws", key, at), stock=stock) for at, text in enumerate(items))

    def settings(items: Mapping[str, float], key: str) -> dict[str, float]:
        return {name(text, ("laws", key, "set", text), parameter=True): value for text, value in items.items()}

    def pairs(items: Mapping[str, str], key: str) -> dict[str, str]:
        return {name(one, ("laws", key, one)): name(other, ("laws", key, one)) for one, other in items.items()}

    update: dict[str, object] = {
        "running_totals": names(laws.running_totals, "running_totals"),
        "may_be_negative": names(laws.may_be_negative, "may_be_negative"),
        "conserved": pairs(laws.conserved, "conserved"),
        "never_above": pairs(laws.never_above, "never_above"),
    }
    if laws.steady is not None:
        update["steady"] = laws.steady.model_copy(update={"settings": settings(laws.steady.settings, "steady")})
    if laws.no_demand is not None:
        empties = tuple(
            name(text, ("laws", "no_demand", "empties", at), stock=True) for at, text in enumerate(laws.no_demand.empties)
        )
        update["no_demand"] = laws.no_demand.model_copy(
            update={"settings": settings(laws.no_demand.settings, "no_demand"), "empties": empties}
        )
    return laws.model_copy(update=update)
