"""Start, stop and saving interval of an experiment, on the grid of dt."""

from __future__ import annotations

from flowreform.experiment.tables import MAX_STEPS, ExperimentTable
from flowreform.model import Model
from flowreform.toml import Loc, Source


def horizon_of(table: ExperimentTable, model: Model, source: Source) -> tuple[float, float, float]:
    """Start, stop and saving interval, all on the grid of dt."""
    specs = model.specs
    own = (specs.start, specs.stop, _interval(specs.start, specs.stop, model))
    start = specs.start if table.start is None else table.start
    stop = specs.stop if table.stop is None else table.stop
    key = "stop" if table.stop is not None else "start"
    if stop <= start:
        source.fault("horizon", ("experiment", key), f"stop {stop:g} does not come after start {start:g}", "")
        return own
    if (stop - start) / specs.dt > MAX_STEPS:
        reason = f"{(stop - start) / specs.dt:.3g} steps of dt {specs.dt:g} are more than the limit of {MAX_STEPS:,}"
        source.fault("limit", ("experiment", key), reason, "choose a nearer stop")
        return own
    if not _multiple(stop - start, specs.dt):
        reason = f"start {start:g} to stop {stop:g} is not a whole number of steps of dt {specs.dt:g}"
        source.fault("horizon", ("experiment", key), reason, "move start or stop")
        return own
    every = table.save_every
    if every is None:
        return start, stop, _interval(start, stop, model)
    loc: Loc = ("experiment", "save_every")
    if every <= 0 or not _multiple(every, specs.dt):
        nearest = max(1, round(every / specs.dt)) * specs.dt
        source.fault("save-every", loc, f"{every:g} is not a multiple of dt {specs.dt:g}", f"write {nearest:g}")
        return start, stop, _interval(start, stop, model)
    if not _multiple(stop - start, every):
        reason = f"the end of the run is not saved: {stop - start:g} is not a multiple of save_every {every:g}"
        source.fault("save-every", loc, reason, "choose a save_every that divides the horizon")
        return start, stop, _interval(start, stop, model)
    return start, stop, every


def appraisal_end_of(table: ExperimentTable, grid: tuple[float, float, float], model: Model, source: Source) -> float | None:
    """Where runs end when they go on past stop; `grid` is start, stop and saving interval."""
    end = table.appraisal_end
    if end is None:
        return None
    start, stop, every = grid
    loc: Loc = ("experiment", "appraisal_end")
    if end == stop:
        return None
    if end < stop:
        reason = f"appraisal_end {end:g} comes before stop {stop:g}"
        source.fault("horizon", loc, reason, "choose a later one, or leave it out")
    elif (end - start) / model.specs.dt > MAX_STEPS:
        reason = f"{(end - start) / model.specs.dt:.3g} steps of dt are more than the limit of {MAX_STEPS:,}"
        source.fault("limit", loc, reason, "choose a nearer appraisal_end")
    elif not _multiple(end - stop, every):
        reason = f"stop {stop:g} to appraisal_end {end:g} is not a multiple of the saving interval {every:g}"
        source.fault("save-every", loc, reason, "move appraisal_end")
    else:
        return end
    return None


def _interval(start: float, stop: float, model: Model) -> float:
    """The saving interval when none is given: the model's, or one time unit, or else dt; one that also saves the end."""
    for every in (model.specs.save_every, 1.0):
        if every and _multiple(every, model.specs.dt) and _multiple(stop - start, every):
            return every
    return model.specs.dt


def _multiple(length: float, step: float) -> bool:
    count = length / step
    return round(count) >= 1 and abs(count - round(count)) <= 1e-9 * max(1.0, count)
