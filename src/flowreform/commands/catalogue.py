"""`models`, `experiments` and the version: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowreform.commands.terminal import DONE, at_work, print_json, say, show, table
from flowreform.errors import ExperimentError, ModelError, error


def version() -> str:
    """The version of flowreform."""
    import flowreform

    return flowreform.__version__


def models(*, as_json: bool) -> int:
    """List the bundled models with their question."""
    from flowreform.formats import bundled

    rows = [{"name": name} | _about(path) for name, path in bundled("models").items()]
    if as_json:
        print_json(rows)
        return 0
    cells = ([row["name"], row["title"], row["question"]] for row in rows)
    show(table("", ("model", "title", "question"), cells), "`flowreform show MODEL` shows what one holds.")
    return 0


def experiments(*, write: Path | None, name: str | None, as_json: bool) -> int:
    """List the bundled experiments with their question, write one as a file to start from, or run all and write their answers."""
    from flowreform.formats import bundled

    known = bundled("experiments")
    if write is not None and write.suffix.lower() == ".md" and name is None:
        return answers(known, write)
    if write is not None:
        return _write(known, name, write)
    if name is not None and name not in known:
        from flowreform.experiment import experiment_path

        experiment_path(name)  # says what is wrong with the name
    rows = [_row(at, known[at]) for at in known if name in (None, at)]
    if as_json:
        print_json(rows)
        return 0
    cells = ([row["name"], row["model"], ", ".join(row["scenarios"]), f"{row['draws']}", row["question"]] for row in rows)
    listed = table("", ("experiment", "model", "scenarios", "draws", "question"), cells, right=(3,))
    show(listed, "`flowreform run EXPERIMENT -o DIR` runs one; `flowreform experiments NAME --write FILE` copies one.")
    return 0


def _write(known: dict[str, Path], name: str | None, target: Path) -> int:
    from flowreform.experiment import experiment_path
    from flowreform.files import write_text

    if name is None and len(known) != 1:
        reason, repair = "there are several experiments", f"say which: {', '.join(known)}"
        raise ExperimentError(error("which-experiment", reason, repair, element="--write"))
    source = experiment_path(name if name is not None else next(iter(known)))
    if target.exists():
        raise ExperimentError(error("exists", "there is a file already", "choose another name, or remove it", file=str(target)))
    write_text(target, source.read_text(encoding="utf-8"))
    say(f"wrote {target}; `flowreform run {target if target.parent != Path() else Path('.') / target} -o out` runs it")
    return 0


def _about(path: Path) -> dict[str, Any]:
    """Title and question out of the case file beside a model, without reading the model."""
    from flowreform.toml import read_document

    place = path.with_suffix(".toml")
    case = read_document(place, ModelError).table.get("case", {}) if place.is_file() else {}
    return {"title": str(case.get("title", "")), "question": str(case.get("question", ""))}


def _row(name: str, path: Path) -> dict[str, Any]:
    from flowreform.toml import read_document

    whole = read_document(path, ExperimentError).table
    asked = whole.get("experiment", {})
    return {
        "name": name,
        "title": str(asked.get("title", "")),
        "question": str(asked.get("question", "")),
        "model": str(asked.get("model", "")),
        "scenarios": list(whole.get("scenarios", {})) or ["base"],
        "draws": asked.get("draws", 1),
    }


# --- questions and answers -------------------------------------------------------------------------------------------


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
    from flowreform.export.tables import by_kpi, heading, spread
    from flowreform.kpi import summary
    from flowreform.text import markdown, short

    experiment = fr.read_experiment(path)
    kpis = fr.kpis(fr.run(experiment), experiment)
    table = by_kpi(summary(kpis))
    names = list(experiment.scenarios)
    header = ["KPI", *(short(experiment.scenarios[at].label) for at in names)]
    rows = [[heading(next(iter(of.values()))), *(spread(of[at]) for at in names)] for of in table.values()]
    size = f"Model `{experiment.model.name}`, {len(names)} scenarios, {experiment.draws} draws, seed {experiment.seed}."
    return f"\n## {name}\n\n**{experiment.question}**\n\n{size}\n\n{markdown(header, rows)}"
