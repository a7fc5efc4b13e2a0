"""`fit`: parameters fitted to observed series; into the files only with `--write`."""

from __future__ import annotations

from pathlib import Path

from flowreform.commands.terminal import DIFFERENT, DONE, at_work, print_json, say, show


def fit(name: str, *, write: bool, chart: Path | None, as_json: bool) -> int:
    """Fit, print, and where asked write the values into the model and its case file, and the chart."""
    import flowreform as fr
    from flowreform.analyse.fitting.estimate import fit, write_fit

    with at_work("fitting"):
        model = fr.read_model(name)
        found = fit(model)
    if as_json:
        print_json(found.as_dict())
    else:
        show(*found.manual())
    if chart is not None:
        from flowreform.analyse.fitting.chart import write_chart

        write_chart(found, chart)
        say(f"wrote {chart}")
    if write:
        write_fit(model, found)
        say(f"wrote {len(found.estimates)} values into {model.file}, and where they come from into its case file")
    return DONE


def posterior(
    name: str, *, write: bool, chart: Path | None, draws: int, iterations: int, as_json: bool, chain: Path | None = None
) -> int:
    """Sample the posterior, print, and where asked write the draws beside the model, and the chart.

    How far it has got goes to standard error, a line every some hundred iterations: it may take an hour."""
    import flowreform as fr
    from flowreform.analyse.fitting.posterior import write_posterior

    model = fr.read_model(name)
    found = fr.fit(model, posterior=True, draws=draws, iterations=iterations, progress=say, chain=chain)
    if as_json:
        print_json(found.as_dict())
    else:
        show(*found.manual())
    if chart is not None:
        from flowreform.analyse.fitting.chart import write_bands

        write_bands(found, chart)
        say(f"wrote {chart}")
    if write:
        say(f"wrote {len(found.ensemble):,} draws to {write_posterior(model, found)}")
    return DONE


def check_posterior(name: str, *, as_json: bool) -> int:
    """Whether the draws beside a model still belong to its files; 4 when they do not."""
    import flowreform as fr
    from flowreform.analyse.fitting.posterior import belongs

    with at_work("comparing"):
        found = belongs(fr.read_model(name))
    if as_json:
        print_json({"model": found.model, "ok": found.ok, "same_files": found.same_files, "largest_difference": found.largest})
    else:
        show(str(found))
    return DONE if found.ok else DIFFERENT


def check(name: str, *, as_json: bool) -> int:
    """Whether the values in the model are still a best fit; 4 when a step from them gains more than the limit."""
    import flowreform as fr
    from flowreform.analyse.fitting.estimate import settled

    with at_work("fitting"):
        found = settled(fr.read_model(name))
    if as_json:
        print_json({"model": found.model, "ok": found.ok, "cost": found.cost, "gain": found.gain, "moves": found.moves})
    else:
        show(str(found))
    return DONE if found.ok else DIFFERENT


def calibrate(name: str, history: Path, *, write: bool, chart: Path | None, draws: int, iterations: int, as_json: bool) -> int:
    """Calibrate an experiment's system to its months, print, and where asked write the draws beside it, and the picture."""
    import flowreform as fr
    from flowreform.analyse.fitting.calibrate import keeps, write_calibration
    from flowreform.experiment import read_to_fit

    experiment = read_to_fit(name)
    if write:
        keeps(experiment)
    found = fr.fit(experiment, history=history, draws=draws, iterations=iterations, progress=say)
    if as_json:
        print_json(found.as_dict())
    else:
        show(*found.manual())
    if chart is not None:
        from flowreform.analyse.fitting.chart import write_months

        write_months(found, chart)
        say(f"wrote {chart}")
    if write:
        say(f"wrote {len(found.ensemble):,} draws to {write_calibration(experiment, found)}, which every later run takes")
    return DONE
