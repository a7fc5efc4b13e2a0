"""`[workbook]` of a case file: what its workbook shows, in the words of those who read it.

Which rows stand in the yearly sheet, which charts are drawn and which inputs discount: everything about health services that
the workbook says comes from here or from the model. Without the table sensible rows and charts follow from units, KPIs and
`[[charts]]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, Strict

from flowreform.case import Case
from flowreform.errors import Finding, ModelError
from flowreform.model import Model, Role
from flowreform.names import Unknown, find
from flowreform.toml import Document, Loc, Table, parse

Strings = Annotated[tuple[str, ...], Strict(False)]
YearStatistic = Literal["start", "end", "mean", "max", "min", "increase", "total"]
"""What stands for a year: the value at its start or end, the mean, highest or lowest over its steps, the increase over the year,
or the sum of a rate over it."""


class YearlyRow(Table):
    """`[[workbook.yearly]]`: one row of the yearly sheet."""

    section: str = ""
    """The heading it stands under; that of the row before when empty."""
    label: str = ""
    """The name shown; the variable's own when empty."""
    variable: str
    """A variable, or one element of it."""
    statistic: YearStatistic
    """What stands for a year."""
    unit: str = ""
    """The unit shown, after scaling."""
    scale: float = 1.0
    """What the value is multiplied by."""
    percent: bool = False
    """Shown as a percentage."""


class LineChart(Table):
    """`[[workbook.charts]]`: one chart of the charts sheet, over the saved times."""

    title: str
    """Title of the chart."""
    variables: Annotated[Strings, Field(min_length=1)]
    """The lines."""
    shaded: Strings = ()
    """Variables drawn as a filled area under the lines."""
    limit: str | float | None = None
    """A level line: a parameter's name, or a number."""
    limit_label: str = ""
    """What the level line is called."""
    unit: str = ""
    """Label of the axis; the first variable's unit when empty."""
    percent: bool = False
    """The axis is in per cent."""
    scale: float = 1.0
    """What the values are multiplied by."""


class WorkbookTable(Table):
    """`[workbook]`: what the live workbook shows."""

    yearly: Annotated[tuple[YearlyRow, ...], Strict(False)] = ()
    """Rows of the yearly sheet."""
    charts: Annotated[tuple[LineChart, ...], Strict(False)] = ()
    """Charts of the charts sheet."""
    compare: Strings = ()
    """Variables that are compared across scenarios."""
    reconcile: Strings = ()
    """Stocks whose opening and closing values are reconciled with their flows, year by year."""
    discount_rate: str = ""
    """The parameter that discounts."""
    discount_factor: str = ""
    """The variable that holds the discount factor."""


def read_workbook_table(model: Model, case: Case | None) -> WorkbookTable:
    """The `[workbook]` of a case file with canonical names; an empty one without it. Raises ModelError with all faults."""
    document = case.document if case else None
    if document is None or "workbook" not in document.table:
        return WorkbookTable()
    findings: list[Finding] = []
    table = parse(WorkbookTable, document.table["workbook"], document, ("workbook",), findings)
    if table is not None:
        table = _checked(table, model, document, findings)
    if findings or table is None:
        raise ModelError(findings)
    return table


def _checked(table: WorkbookTable, model: Model, document: Document, findings: list[Finding]) -> WorkbookTable:
    def name(text: str, loc: Loc, role: Role | None = None) -> str:
        found = find(model, text, parameter=role is Role.PARAMETER)
        if isinstance(found, Unknown):
            findings.append(document.fault("unknown-variable", loc, found.reason, found.repair, element=text))
            return text
        if found.is_array or found.variable.role is Role.LOOKUP or (role is Role.STOCK and found.variable.role is not role):
            reason = f"a single {'stock' if role is Role.STOCK else 'value'} is needed here"
            findings.append(document.fault("not-single", loc, reason, "name one element", element=text))
        return found.name

    def names(texts: Iterable[str], loc: Loc, role: Role | None = None) -> tuple[str, ...]:
        return tuple(name(text, (*loc, at), role) for at, text in enumerate(texts))

    yearly = tuple(
        row.model_copy(update={"variable": name(row.variable, ("workbook", "yearly", at, "variable"))})
        for at, row in enumerate(table.yearly)
    )
    charts = []
    for at, chart in enumerate(table.charts):
        loc: Loc = ("workbook", "charts", at)
        update: dict[str, object] = {
            "variables": names(chart.variables, (*loc, "variables")),
            "shaded": names(chart.shaded, (*loc, "shaded")),
        }
        if isinstance(chart.limit, str):
            update["limit"] = name(chart.limit, (*loc, "limit"), Role.PARAMETER)
        charts.append(chart.model_copy(update=update))
    update = {
        "yearly": yearly,
        "charts": tuple(charts),
        "compare": names(table.compare, ("workbook", "compare")),
        "reconcile": names(table.reconcile, ("workbook", "reconcile"), Role.STOCK),
    }
    if table.discount_rate:
        update["discount_rate"] = name(table.discount_rate, ("workbook", "discount_rate"), Role.PARAMETER)
    if table.discount_factor:
        update["discount_factor"] = name(table.discount_factor, ("workbook", "discount_factor"))
    return table.model_copy(update=update)
