"""The chart shows every scenario, the band of its draws, and what was observed where it was observed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowreform.export.chart import BASELINE_COLOUR, Axis, ChartPoints, Fan, Panel, draw, percentiles

X = np.linspace(1993.75, 1995.75, 25)
AXIS = Axis(1993.75, 1995.75, "Fiscal year", (1993.75, 1994.75, 1995.75), ("1994", "1995"))


def fan(scenario: str, level: float = 1.0, line: str = "") -> Fan:
    values = level * (1 + np.outer(np.linspace(-0.2, 0.2, 41), np.linspace(0, 1, 25)))
    return Fan(scenario, X, *percentiles(values), line)


def panel(*fans: Fan, unit: str = "bed", points: tuple[ChartPoints, ...] = (), axis: Axis = AXIS) -> Panel:
    return Panel("Open beds", unit, axis, fans, points)


def figure_of(monkeypatch: pytest.MonkeyPatch, *panels: Panel, **options: Any) -> Any:
    """The figure that `draw` saves, instead of its file."""
    from matplotlib.figure import Figure

    kept: list[Figure] = []

    def keep(self: Figure, *args: object, **kwargs: object) -> None:
        self.canvas.draw()
        kept.append(self)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw(Path("unused.png"), panels, title="Beds", note="Source", baseline="as_was", **options)
    return kept[0]


def test_png_is_one_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, [panel(fan("as_was"), fan("close_first"))], title="Beds", note="Source", baseline="as_was")
    content = (tmp_path / "one.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", content[16:24])) > 600
    assert content == (tmp_path / "two.png").read_bytes()


def test_lines_are_the_middle_and_bands_the_ten_and_ninety_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    place = figure_of(monkeypatch, panel(fan("as_was", 100), fan("close_first", 50))).axes[0]
    ends = sorted(float(line.get_ydata()[-1]) for line in place.lines)
    assert ends == pytest.approx([50, 100])
    highest = [collection.get_paths()[0].vertices[:, 1].max() for collection in place.collections]
    assert sorted(highest) == pytest.approx([50 * 1.16, 100 * 1.16])  # the 90th percentile of -0.2 ... 0.2 is 0.16


def test_the_baseline_is_black_and_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    place = figure_of(monkeypatch, panel(fan("as_was", 100), fan("close_first", 50))).axes[0]
    assert [line.get_color() for line in place.lines][-1] == BASELINE_COLOUR
    assert [line.get_color() for line in place.lines].count(BASELINE_COLOUR) == 1


def test_observed_points_lie_where_they_were_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (ChartPoints((1994.75,), (95.0,), "beds"), ChartPoints((1995.75,), (80.0,), "beds", firm=False))
    figure = figure_of(monkeypatch, panel(fan("as_was", 100), fan("close_first", 90), points=seen))
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in points] == [(1994.75, 95.0), (1995.75, 80.0)]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["as was", "close first", "80 % of draws", "observed", "observed, source not verified"]


def test_one_scenario_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figure_of(monkeypatch, panel(Fan("base", X, X))).legends == []


def test_large_numbers_are_scaled_and_the_axis_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    place = figure_of(monkeypatch, panel(fan("as_was", 4e9), unit="USD")).axes[0]
    assert place.get_ylabel() == "billion USD"
    assert float(place.lines[0].get_ydata()[0]) == pytest.approx(4)


def test_years_are_named_between_their_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    place = figure_of(monkeypatch, panel(fan("as_was"))).axes[0]
    assert [label.get_text() for label in place.get_xticklabels(minor=True)] == ["1994", "1995"]
    assert list(place.get_xticks(minor=True)) == [1994.25, 1995.25]
    assert place.get_xlabel() == "Fiscal year"


def test_a_long_horizon_names_every_fifth_year(monkeypatch: pytest.MonkeyPatch) -> None:
    years = tuple(str(year) for year in range(1954, 2010))
    axis = Axis(1954, 2010, "Year", tuple(float(year) for year in range(1954, 2011)), years)
    place = figure_of(monkeypatch, panel(fan("as_was"), axis=axis)).axes[0]
    names = [label.get_text() for label in place.get_xticklabels(minor=True)]
    assert names == ["1955", "1960", "1965", "1970", "1975", "1980", "1985", "1990", "1995", "2000", "2005"]


def test_text_from_a_model_is_not_read_as_mathematics(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = panel(fan("a$b$c"), unit="$\\nonsense{$")
    assert figure_of(monkeypatch, cost).axes[0].get_ylabel() == "$\\nonsense{$"


def test_several_variables_have_their_own_line_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    place = figure_of(monkeypatch, panel(fan("as_was", 1, "Open beds"), fan("as_was", 2, "Occupied beds"))).axes[0]
    assert [text.get_text() for text in place.get_legend().get_texts()] == ["Open beds", "Occupied beds"]
    assert len({line.get_linestyle() for line in place.lines}) == 2


def test_percentiles_leave_out_what_is_not_finite() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.inf], [np.nan, np.nan], [2.0, np.nan]])
    middle, low, high = percentiles(values)
    assert middle[0] == 2.0
    assert np.isnan(middle[1])
    assert low is not None
    assert high is not None
    assert low[0] < 2.0 < high[0]


def test_a_single_run_has_no_band() -> None:
    middle, low, high = percentiles(np.array([[1.0, 2.0]]))
    assert middle.tolist() == [1.0, 2.0]
    assert low is None
    assert high is None
