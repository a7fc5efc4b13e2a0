"""`plan`: the best plan that keeps its promises; answers on the screen, files where asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.commands.reading import read_experiment
from flowreform.commands.run import warnings_of
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, complain, print_json, say, show

if TYPE_CHECKING:
    from flowreform.experiment import Experiment


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line says beside the name."""

    output: Path | None = None
    full: bool = False
    quick: bool = False
    as_json: bool = False
    settings: tuple[str, ...] = ()


def keeper(experiment: Experiment, options: PlanOptions) -> Any:
    """What writes down every plan as soon as it is known, where there is a folder: a search that stops goes on from there."""
    if options.output is None:
        return None
    from flowreform.analyse.planning.store import NAME, save

    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    return lambda known: save(folder / NAME, experiment, known)


def plan(name: str, options: PlanOptions) -> int:
    """Search, prove, answer; 3 when runs of the plan failed."""
    import numpy as np

    import flowreform as fr
    from flowreform.analyse.planning import as_json, find, runnable
    from flowreform.analyse.planning.store import NAME, load
    from flowreform.export.planning import answers, write_plan

    with at_work("runs") as advance:
        experiment: Experiment = read_experiment(name, {}, options.settings)
        complain(warnings_of(experiment))
        known = load(options.output / NAME, experiment) if options.output is not None else {}
        keep = keeper(experiment, options)
        found = find(experiment, full=options.full, answers=not options.quick, progress=advance, known=known, keep=keep)
        ds = fr.run(runnable(found))
        kpis = fr.kpis(ds, runnable(found))
    files = write_plan(options.output, found, ds, kpis) if options.output is not None else ()
    failed = int(np.asarray(ds["failed"].values).sum())
    if options.as_json:
        print_json(
            as_json(found)
            | {"failed_runs": failed, "files": [str(options.output / file) for file in files] if options.output else []}
        )
    else:
        show(*answers(found, ds, kpis))
        if options.output is not None:
            say(f"wrote {', '.join(files)} to {options.output}")
    if failed:
        say(f"warning: {failed:,} runs of the plan and what stands beside it failed; `flowreform run plan.toml` names them")
    return SOME_RUNS_FAILED if failed else DONE
