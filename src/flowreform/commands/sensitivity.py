"""`sensitivity`: what matters to an experiment's KPIs, when, and how sure that is; a table on the screen, files where asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.commands.reading import read_experiment
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, print_json, say, show

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment


@dataclass(frozen=True, slots=True)
class SensitivityOptions:
    """What the command line says beside the name; None where it says nothing."""

    method: str | None = None
    samples: int | None = None
    scenario: str | None = None
    contrast: tuple[str, str] | None = None
    targets: tuple[str, ...] = ()
    kpis: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    second_order: bool = False
    output: Path | None = None
    as_json: bool = False

    def command(self, name: str) -> list[str]:
        """The command that gives the same numbers again."""
        words = ["flowreform", "sensitivity", name]
        words += ["--method", self.method] if self.method else []
        words += ["--samples", str(self.samples)] if self.samples else []
        words += ["--scenario", self.scenario] if self.scenario else []
        words += ["--contrast", *self.contrast] if self.contrast else []
        several = {"target": self.targets, "kpi": self.kpis, "variable": self.variables, "parameter": self.parameters}
        for option, values in several.items():
            for value in values:
                words += [f"--{option}", value]
        return words + (["--second-order"] if self.second_order else [])


def sensitivity(name: str, asked: SensitivityOptions) -> int:
    """Run, or read what was run, print, and write the files where asked; 3 when some runs failed."""
    from flowreform.analyse.sensitivity import warnings_of

    ds, experiment = _stored(name, asked) if Path(name).is_dir() else _fresh(name, asked)
    files: tuple[str, ...] = ()
    if asked.output is not None:
        from flowreform.export.sensitivity import write_sensitivity

        files = write_sensitivity(asked.output, ds, experiment)
    if asked.as_json:
        print_json(as_json(ds, experiment) | {"files": [str(asked.output / file) for file in files] if asked.output else []})
    else:
        show(*ds.manual())
        if asked.output is not None:
            pictures = sum(file.endswith((".png", ".svg")) for file in files)
            others = ", ".join(file for file in files if not file.endswith((".png", ".svg")))
            say(f"wrote {others} and {pictures} pictures to {asked.output}")
    for line in warnings_of(ds):
        say(f"warning: {line}")
    return SOME_RUNS_FAILED if int(ds["failed_runs"].sum()) else DONE


def _options(name: str, asked: SensitivityOptions) -> dict[str, Any]:
    """What a fresh analysis and one of finished runs have in common."""
    from flowreform.results import command_text

    return {
        "scenario": asked.scenario,
        "contrast": asked.contrast,
        "targets": asked.targets,
        "kpis": asked.kpis or None,
        "variables": asked.variables or (None if asked.output else ()),
        "parameters": asked.parameters or None,
        "command": command_text(asked.command(name)),
    }


def _fresh(name: str, asked: SensitivityOptions) -> tuple[Dataset, Experiment]:
    from flowreform.analyse.sensitivity import sensitivity

    with at_work("runs") as advance:
        experiment = read_experiment(name)
        ds = sensitivity(
            experiment,
            asked.method or "sobol",
            asked.samples or 1024,
            second_order=asked.second_order,
            progress=advance,
            **_options(name, asked),
        )
    return ds, experiment


def _stored(name: str, asked: SensitivityOptions) -> tuple[Dataset, Experiment]:
    """From the folder of a sweep, without running anything."""
    from flowreform.analyse.sensitivity import sensitivity_of
    from flowreform.errors import ExperimentError, error
    from flowreform.sweeps import experiment_of, open_sweep

    if asked.second_order:
        reason = "pairs of inputs need runs at points of their own, and these were made before"
        raise ExperimentError(error("method", reason, "leave --second-order out", element=name))
    ds, experiment = open_sweep(name), experiment_of(name)
    return sensitivity_of(ds, experiment, asked.method or "rbd_fast", asked.samples, **_options(name, asked)), experiment


def as_json(ds: Dataset, experiment: Experiment) -> dict[str, Any]:
    """An analysis for scripts: every index of every KPI with its interval, warnings, provenance."""
    from flowreform.analyse.sensitivity import warnings_of
    from flowreform.analyse.sensitivity.columns import STATUS

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
        "targets": _target_json(ds),
        "better": _better_json(ds),
        "failed_runs": {
            str(label): int(count) for label, count in zip(ds["scenario"].values, ds["failed_runs"].values, strict=True)
        },
        "warnings": list(warnings_of(ds)),
        "provenance": {key: value for key, value in ds.attrs.items() if key != "warnings"},
    }


def _target_json(ds: Dataset) -> dict[str, Any]:
    """By target and scenario: how often it is met, with the interval."""
    if "target_probability" not in ds:
        return {}
    keys = ("probability", "low", "high", "draws")
    return {
        str(target): {
            str(name): {key: ds[f"target_{key}"].sel(target=target, contender=name).item() for key in keys}
            for name in ds["contender"].values
        }
        for target in ds["target"].values
    }


def _better_json(ds: Dataset) -> dict[str, Any]:
    """By KPI, scenario and other scenario: how often the first does better."""
    if "better_probability" not in ds:
        return {}
    names = [str(name) for name in ds["contender"].values]
    return {
        str(kpi): {
            one: {
                other: {key: ds[f"better_{key}"].sel(judged_kpi=kpi, contender=one, opponent=other).item()
                        for key in ("probability", "ties", "draws")}
                for other in names if other != one
            }
            for one in names
        }
        for kpi in ds["judged_kpi"].values
    }  # fmt: skip
