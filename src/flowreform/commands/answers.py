"""What every bundled experiment asks and what it answered: run, not typed."""

from __future__ import annotations

from pathlib import Path

from flowreform.commands.terminal import DONE, at_work, say

_HEAD = """# Experiments: question and answer

Written by `flowreform experiments --write experiments/README.md`, which runs each of them as it stands. Numbers are the median
of the draws with the 10th and 90th percentile; differences are taken draw by draw against the first scenario.
"""


def answers(known: dict[str, Path], target: Path) -> int:
    """Run every experiment and write its question and its answer as Markdown, in one file."""
    from flowreform.files import write_text

    parts = [_HEAD]
    with at_work("running the experiments") as advance:
        for number, (name, path) in enumerate(known.items()):
            advance(number, len(known))
            parts.append(_answer(name, path))
    write_text(target, "\n".join(parts))
    say(f"wrote {target}")
    return DONE


def _answer(name: str, path: Path) -> str:
    """One experiment: its question, its KPIs by scenario, and where the scenarios differ."""
    import flowreform as fr
    from flowreform.export.describe import short
    from flowreform.export.tables import by_kpi, heading, spread
    from flowreform.kpi import summary
    from flowreform.text import markdown

    experiment = fr.read_experiment(path)
    kpis = fr.kpis(fr.run(experiment), experiment)
    table = by_kpi(summary(kpis))
    names = list(experiment.scenarios)
    header = ["KPI", *(short(experiment.scenarios[at].label) for at in names)]
    rows = [[heading(next(iter(of.values()))), *(spread(of[at]) for at in names)] for of in table.values()]
    size = f"Model `{experiment.model.name}`, {len(names)} scenarios, {experiment.draws} draws, seed {experiment.seed}."
    return f"\n## {name}\n\n**{experiment.question}**\n\n{size}\n\n{markdown(header, rows)}"
