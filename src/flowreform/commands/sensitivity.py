"""`sensitivity`: what matters to an experiment's KPIs, when, and how sure that is; a table on the screen, files where asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.commands.reading import read_experiment
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, print_json, say, show, table

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the name."""

    method: str = "sobol"
    samples: int = 1024
    scenario: str | None = None
    contrast: tuple[str, str] | None = None
    targets: tuple[str, ...] = ()
    second_order: bool = False
    output: Path | None = None
    as_json: bool = False

    def command(self, name: str) -> list[str]:
        """The command that gives the same numbers again."""
        words = ["flowreform", "sensitivity", name, "--method", self.method, "--samples", str(self.samples)]
        words += ["--scenario", self.scenario] if self.scenario else []
        words += ["--contrast", *self.contrast] if self.contrast else []
        for target in self.targets:
            words += ["--target", target]
        return words + (["--second-order"] if self.second_order else [])


def sensitivity(name: str, asked: Asked) -> int:
    """Run, print, and write the files where asked; 3 when some runs failed."""
    from flowreform.sensitivity import sensitivity, warnings_of

    with at_work("runs") as advance:
        experiment = read_experiment(name)
        from flowreform.results import command_text

        ds = sensitivity(
            experiment,
            asked.method,
            asked.samples,
            scenario=asked.scenario,
            contrast=asked.contrast,
            targets=asked.targets,
            second_order=asked.second_order,
            variables=None if asked.output else (),
            progress=advance,
            command=command_text(asked.command(name)),
        )
    files: tuple[str, ...] = ()
    if asked.output is not None:
        from flowreform.export.sensitivity import write_sensitivity

        files = write_sensitivity(asked.output, ds, experiment)
    if asked.as_json:
        print_json(as_json(ds, experiment) | {"files": [str(asked.output / file) for file in files] if asked.output else []})
    else:
        _print(ds, experiment)
        if asked.output is not None:
            say(f"wrote sensitivity.nc, indices.csv, summary.md and {len(files) - 3} pictures to {asked.output}")
    for line in warnings_of(ds):
        say(f"warning: {line}")
    return SOME_RUNS_FAILED if int(ds["failed_runs"].sum()) else DONE


def _print(ds: Dataset, experiment: Experiment) -> None:
    from flowreform.export.sensitivity import leading_rows, titles
    from flowreform.sensitivity import MEANINGS, METHODS

    method = METHODS[str(ds.attrs["method"])]
    show(experiment.title, f"{method.label}: {method.leading} is the {MEANINGS[method.leading]}")
    heads = titles(ds, experiment)
    for label in map(str, ds["scenario"].values):
        show(table(heads[label], ("KPI", "leading inputs"), leading_rows(ds, label)))


def as_json(ds: Dataset, experiment: Experiment) -> dict[str, Any]:
    """An analysis for scripts: every index of every KPI with its interval, warnings, provenance."""
    from flowreform.sensitivity import warnings_of
    from flowreform.sensitivity.columns import STATUS

    found: dict[str, Any] = {}
    for label in map(str, ds["scenario"].values):
        found[label] = {}
        for kpi in map(str, ds["kpi"].values) if "kpi_index" in ds else ():
            one = ds.sel(scenario=label, kpi=kpi)
            found[label][kpi] = {
                "status": STATUS[int(one["kpi_status"])],
                "inputs": {
                    str(parameter): {
                        str(index): {
                            "value": float(one["kpi_index"].sel(parameter=parameter, index=index)),
                            "half_width": float(one["kpi_confidence"].sel(parameter=parameter, index=index)),
                        }
                        for index in ds["index"].values
                    }
                    for parameter in ds["parameter"].values
                },
            }
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "method": str(ds.attrs["method"]),
        "indices": found,
        "failed_runs": {
            str(label): int(count) for label, count in zip(ds["scenario"].values, ds["failed_runs"].values, strict=True)
        },
        "warnings": list(warnings_of(ds)),
        "provenance": {key: value for key, value in ds.attrs.items() if key != "warnings"},
    }
