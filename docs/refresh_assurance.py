"""Write docs/assurance.md: what a plan costs each payer year by year, capital beside service, and optimism bias before and after.

    python docs/refresh_assurance.py

From the experiment care_shift_assurance as it stands: medians over its draws, of totals summed step by step. Takes some minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "assurance.md"
QUESTION, PLAN = "care_shift_assurance", "build_first"
YEARS = 10
FLOWS = (
    "nhs_spend", "council_spend", "person_care_homes", "transition_capital_spend", "disposal_receipts", "budget", "receipts",
    "nominal_spend", "nominal_capital_spend", "depreciation", "transition_fund_spending", "savings_returned",
    "accounting_deficit",
)  # fmt: skip
LEVELS = ("staffed_beds", "ward_beds_released", "disposed_beds", "places_open")
RATES = ("asset_value", "capital_charge_rate")
SERVICES = ("home", "bedded", "virtual", "response")
Years = Mapping[str, np.ndarray]
"""Of each row a value for each draw and year."""


def main() -> None:
    """Write the page anew."""
    text = page()
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    print(text)


def page() -> str:
    """The page as it should be."""
    import flowreform as fr

    experiment = fr.read_experiment(QUESTION)
    calendar = [f"{year}/{(year + 1) % 100:02d}" for year in range(2026, 2026 + YEARS)]
    plan, usual = by_year(experiment, PLAN), by_year(experiment, experiment.baseline)
    head = "| GBP million | " + " | ".join(calendar) + " |\n| --- |" + " ---: |" * YEARS
    count = "| end of year | " + " | ".join(calendar) + " |\n| --- |" + " ---: |" * YEARS
    label = experiment.scenarios[PLAN].label
    parts = [
        "# What assurance asks of a plan",
        f"Written by `python docs/refresh_assurance.py` from the experiment `{QUESTION}`: put any plan into it. Medians over\n"
        f"{experiment.draws} draws, financial years, the whole system and not one trust. The plan is\n"
        f'"{label}"; the workbook of the experiment has the same rows, with formulas.',
        "## Who pays, at constant prices",
        "\n".join([head, *rows(plan, REAL)]),
        "The same against business as usual, draw by draw:",
        "\n".join([head, *rows({name: plan[name] - usual[name] for name in plan}, REAL, sign=True)]),
        "## Is it affordable: health service, prices of the day",
        "\n".join([head, *rows(plan, CASH)]),
        "A gap is revenue, capital charges and savings handed back, less budget, receipts and fund; a minus sign is a surplus.\n"
        "The same against business as usual:",
        "\n".join([head, *rows({name: plan[name] - usual[name] for name in plan}, CASH, sign=True)]),
        "## Capital beside service: the same years and beds",
        "\n".join([count, *rows(plan, BESIDE)]),
        "## Optimism bias, before and after",
        before_and_after(experiment),
    ]
    return "\n\n".join(parts) + "\n"


REAL = (
    ("Health service, revenue", "nhs_revenue", 1e-6), ("Health service, capital", "transition_capital_spend", 1e-6),
    ("Receipts", "disposal_receipts", 1e-6), ("Council", "council_spend", 1e-6),
    ("Residents of care homes", "person_care_homes", 1e-6),
)  # fmt: skip
CASH = (
    ("Budget", "budget", 1e-6), ("Transition fund, as spent", "transition_fund_spending", 1e-6), ("Receipts", "receipts", 1e-6),
    ("Revenue", "nominal_spend", 1e-6), ("Savings handed back", "savings_returned", 1e-6), ("Depreciation", "depreciation", 1e-6),
    ("Charge on capital", "charge", 1e-6), ("Gap", "accounting_deficit", 1e-6), ("Capital spent", "nominal_capital_spend", 1e-6),
)  # fmt: skip
BESIDE = (
    ("Capital in the year, GBP million at constant prices", "transition_capital_spend", 1e-6),
    ("Staffed beds", "staffed_beds", 1.0), ("Beds closed in whole wards", "ward_beds_released", 1.0),
    ("Beds whose building is given up", "disposed_beds", 1.0), ("Places: care at home", "home", 1.0),
    ("Places: short-term beds", "bedded", 1.0), ("Places: virtual wards", "virtual", 1.0),
    ("Places: urgent response", "response", 1.0),
)  # fmt: skip


def by_year(experiment: Any, scenario: str) -> dict[str, np.ndarray]:
    """Of each row a value for each draw and financial year, one scenario: float64[draw, year]."""
    import flowreform as fr

    dt = float(experiment.model.specs.dt)
    one = replace(
        experiment, scenarios={scenario: experiment.scenarios[scenario]}, baseline=scenario, kpis={}, charts=(),
        appraisal_end=None, save=(*FLOWS, *LEVELS, *RATES), save_every=dt,
    )  # fmt: skip
    found = fr.run(one).sel(scenario=scenario)
    steps = round(12 / dt)

    def course(name: str, **element: str) -> np.ndarray:
        block = found[name].sel(**element) if element else found[name]
        return np.asarray(block.broadcast_like(found["nhs_spend"]).transpose("draw", "time").values)

    def total(values: np.ndarray) -> np.ndarray:
        return values[:, : YEARS * steps].reshape(len(values), YEARS, steps).sum(axis=2) * dt

    ends = np.arange(1, YEARS + 1) * steps
    made = {name: total(course(name)) for name in FLOWS}
    made["nhs_revenue"] = made["nhs_spend"] - made["transition_capital_spend"] + made["disposal_receipts"]
    made["charge"] = total(course("asset_value") * course("capital_charge_rate") / 12)
    made |= {name: course(name)[:, ends] for name in LEVELS if name != "places_open"}
    return made | {service: course("places_open", service=service)[:, ends] for service in SERVICES}


def rows(values: Years, wanted: tuple[tuple[str, str, float], ...], sign: bool = False) -> list[str]:
    """A row of a table for each of some values: medians over draws."""
    out = []
    for label, name, scale in wanted:
        middle = np.median(values[name], axis=0) * scale
        figures = "+,.1f" if sign else ",.1f" if scale != 1.0 else ",.0f"
        out.append(f"| {label} | " + " | ".join(_plain(format(value, figures)) for value in middle) + " |")
    return out


def _plain(text: str) -> str:
    return "0" if not text.strip("+-0.,") else text


KPIS = ("net_present_cost", "net_cash", "capital_total", "overlap_total", "one_off_total", "recurrent_difference", "beds_at_end",
        "unmet_need")  # fmt: skip


def before_and_after(experiment: Any) -> str:
    """KPIs of the plan with and without each uplift: median (10th to 90th percentile)."""
    import flowreform as fr

    kpis = {name: experiment.kpis[name] for name in KPIS}
    save = tuple(dict.fromkeys(name for one in kpis.values() for name in one.variables))
    one = replace(experiment, kpis=kpis, save=save, charts=())
    found = fr.kpis(fr.run(one), one)
    names = [name for name in experiment.scenarios if name.startswith(PLAN)]
    table = ["| | " + " | ".join(experiment.scenarios[name].label for name in names) + " |", "| --- |" + " ---: |" * len(names)]
    for uplift in ("optimism_bias_of_capital", "optimism_bias_of_time", "optimism_bias_of_running_cost"):
        set_to = [float(experiment.scenarios[name].settings.get(uplift, 0.0)) for name in names]
        table.append(f"| {uplift.replace('_', ' ').capitalize()} | " + " | ".join(f"{value:.0%}" for value in set_to) + " |")
    for name, kpi in kpis.items():
        million = kpi.unit == "GBP"
        cells = []
        for scenario in names:
            values = found[name].sel(scenario=scenario).values * (1e-6 if million else 1.0)
            low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
            figures = ",.1f" if million else ",.0f"
            cells.append(f"{middle:{figures}} ({low:{figures}} to {high:{figures}})")
        table.append(f"| {kpi.label}{', GBP million' if million else ''} | " + " | ".join(cells) + " |")
    return "\n".join(table)


if __name__ == "__main__":
    main()
