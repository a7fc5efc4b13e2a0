"""`diagram` and `loops`: a model's structure as pictures and words, and which loop drives when."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from flowreform.commands.terminal import at_work, print_json, say, show
from flowreform.errors import ExperimentError, did_you_mean, error
from flowreform.files import put, write_file

SUFFIXES = (".svg", ".html")


def diagram(name: str, output: Path | None, *, sheet: str, cards: bool, as_json: bool) -> int:
    """Write the diagrams of a model, or print them in words where no file is named."""
    from flowreform.case import read_case
    from flowreform.diagrams.drawing import Drawing
    from flowreform.diagrams.svg import svg
    from flowreform.experiment import as_model
    from flowreform.export.structure import one_below_the_other, structure

    if output is not None and output.suffix.lower() not in SUFFIXES:
        reason = "diagrams are written as SVG or as an HTML page"
        raise ExperimentError(error("unknown-format", reason, "give it a name that ends in .svg or .html", file=str(output)))
    page = output is not None and output.suffix.lower() == ".html"
    with at_work("drawing"):
        model = as_model(name)
        case = read_case(model)
        wanted = (
            ("sheets",) if sheet else ("cards",) if cards else ("overview", "sheets", "cards") if page or output is None else ()
        )
        made = structure(model, case, wanted=wanted)
    if sheet:
        titles = {drawing.panels[0].title.lower(): drawing for drawing in made.sheets}
        if sheet.lower().replace("_", " ") not in titles:
            hint = did_you_mean(sheet.lower(), titles) or f"there are {', '.join(titles)}"
            raise ExperimentError(error("unknown-sheet", "the model has no such sector", hint, file=model.file, element=sheet))
        shown: tuple[Drawing, ...] = (titles[sheet.lower().replace("_", " ")],)
    elif cards:
        if not made.cards:
            reason, repair = "the case names no loops", "name some under [loops] of its model.toml"
            raise ExperimentError(error("no-loops", reason, repair, file=case.file if case else model.file))
        shown = made.cards
    else:
        shown = made.drawings
    if output is not None:
        from flowreform.diagrams.svg import page as as_page

        if page:
            text = as_page(made.overview.title.removesuffix(": overview"), shown)
        else:
            text = svg(shown[0] if len(shown) == 1 else one_below_the_other(shown, f"{model.name}: loops"))
        data = text.encode()
        write_file(output, lambda temporary: put(temporary, data), size=len(data))
    if as_json:
        entries = [
            {
                "kind": drawing.kind,
                "title": drawing.title,
                "twin": list(drawing.twin),
                "score": asdict(made.scores()[drawing.title]),
            }
            for drawing in shown
        ]
        print_json({"model": model.name, "file": str(output) if output else None, "drawings": entries})
    elif output is None:
        for drawing in shown:
            show(drawing.title, *drawing.twin, "")
    else:
        say(f"wrote {output}")
    return 0


def loops(name: str, stock: str, *, scenario: str, settings: tuple[str, ...], as_json: bool) -> int:
    """Print which loops drive a model, or one stock of it, and when."""
    import flowreform as fr
    from flowreform.commands.reading import read_experiment
    from flowreform.experiment.options import read_settings

    with at_work("following the loops"):
        found = fr.loops(read_experiment(name), stock, scenario=scenario, settings=read_settings(settings))
    if as_json:
        print_json(found.as_dict())
    else:
        show(*found.manual())
    return 0
