"""Pictures from matplotlib, the same bytes for the same picture and versions, whatever the user's own settings are.

Words in a picture come from models and experiments: they are text, and a `$` in them begins no formula.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = Callable[[], "Figure"]
"""Makes a figure, once matplotlib's settings are ours."""


def save_picture(path: Path, make: Picture, *, form: str = "png", dpi: int) -> None:
    """Write the figure that `make` makes as `png` or `svg`."""
    import matplotlib

    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(("backend", "webagg"))}
    with warnings.catch_warnings(), matplotlib.rc_context(defaults | {"text.parse_math": False, "svg.hashsalt": "flowreform"}):
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a script that the font does not have: boxes, and no fault
        figure = make()
        if (layout := figure.get_layout_engine()) is not None:  # worked out once, not again for every format of a figure
            figure.set_dpi(dpi)
            layout.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(path, format=form, dpi=dpi, metadata=metadata)
