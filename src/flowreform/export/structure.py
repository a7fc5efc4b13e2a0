"""Diagrams of a model with its case: signs along its runs, levers, and a card for each loop that the case names.

`overview_svg`, `sheets_svg` and `cards_svg` give what a report puts in: a drawing as SVG text, and the same in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowreform.case import Case
from flowreform.diagrams.cards import card
from flowreform.diagrams.drawing import Arrow, Box, Drawing, Ground, Pipe
from flowreform.diagrams.overview import overview
from flowreform.diagrams.score import Score, score
from flowreform.diagrams.sheets import sheets
from flowreform.diagrams.svg import page, svg
from flowreform.errors import FlowreformError
from flowreform.links.named import link_signs, loop_links
from flowreform.model import Model
from flowreform.names import split


@dataclass(frozen=True)
class Structure:
    """The diagrams of a model: one overview, a sheet for each sector, a card for each loop that its case names."""

    model: Model
    overview: Drawing
    sheets: tuple[Drawing, ...]
    cards: tuple[Drawing, ...]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """All of them, the overview first."""
        return (self.overview, *self.sheets, *self.cards)

    def scores(self) -> dict[str, Score]:
        """By title, what a reader trips over."""
        return {drawing.title: score(drawing) for drawing in self.drawings}

    def html(self) -> str:
        """One page that holds them all, each with its text twin."""
        return page(self.overview.title.removesuffix(": overview"), self.drawings)


def structure(model: Model, case: Case | None, *, wanted: Sequence[str] = ("overview", "sheets", "cards")) -> Structure:
    """The diagrams of a model; those not wanted are left out, the overview is always there."""
    title = case.about.title if case and case.about.title else model.name
    first = overview(model, f"{title}: overview")
    drawn: tuple[Drawing, ...] = ()
    if "sheets" in wanted:
        reported = {split(name)[0] for kpi in case.kpis.values() for name in kpi.variables} if case else set()
        drawn = sheets(
            model,
            signs=link_signs(model, case),
            levers=tuple(split(name)[0] for name in case.levers) if case else (),
            reported=reported,
        )
    return Structure(model, first, drawn, loop_cards(model, case) if "cards" in wanted else ())


def loop_cards(model: Model, case: Case | None) -> tuple[Drawing, ...]:
    """A card for each loop that the case names; none where the model does not run."""
    if case is None or not case.loops:
        return ()
    try:
        return tuple(card(model, name, label, kind, path, signs) for name, label, kind, path, signs in loop_links(model, case))
    except FlowreformError:
        return ()


def one_below_the_other(drawings: Sequence[Drawing], title: str, gap: float = 44.0) -> Drawing:
    """Several drawings as one, in two columns, each under its own title."""
    boxes: list[Box] = []
    pipes: list[Pipe] = []
    arrows: list[Arrow] = []
    panels: list[Ground] = []
    twin: list[str] = []
    labels: list[tuple[float, float, str, float]] = []
    y = width = 0.0
    for drawing in drawings:
        moved = drawing.moved(0.0, y + 30.0)
        boxes += moved.boxes
        pipes += moved.pipes
        arrows += moved.arrows
        labels += moved.labels
        panels.append(Ground(drawing.title, 0.0, y, drawing.width, drawing.height + 36.0, len(panels)))
        twin += [f"{drawing.title}:", *drawing.twin]
        width = max(width, drawing.width)
        y += drawing.height + gap
    done = Drawing("cards", title, width, y, tuple(boxes), tuple(pipes), tuple(arrows), (), tuple(labels), tuple(twin))
    return replace(done, panels=tuple(replace(panel, width=width) for panel in panels))


__all__ = ["Structure", "loop_cards", "one_below_the_other", "structure", "svg"]
