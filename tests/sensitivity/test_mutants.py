"""Estimators with one formula made wrong: the comparison with SALib must find each of them out."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flowreform.analyse.sensitivity import estimators, given
from salib_witness import compare

MUTANTS = [
    ("sobol", estimators, "b * (mixed - a)", "a * (mixed - b)"),  # first order of other pairs of points
    ("sobol", estimators, "(mixed - a) ** 2", "(mixed - b) ** 2"),
    ("sobol", estimators, "0.5 * _means", "_means"),
    ("sobol", estimators, "- first[:, j : j + 1] - first[:, j + 1 :]", "- first[:, j : j + 1]"),
    ("sobol", estimators, "products -= both", "products -= 0.0 * both"),
    ("sobol", estimators, "variance[0] = np.var(cube[:, [0, -1]]", "variance[0] = np.var(cube[:, [0]]"),
    ("sobol", estimators, "ddof=1))\n\n\ndef share", "ddof=0))\n\n\ndef share"),
    ("sobol", estimators, "settings.reach * spread(pair[1:])", "settings.reach * spread(pair)"),
    ("sobol", estimators, "0.5 + self.confidence / 2.0", "self.confidence"),
    ("morris", estimators, "changes * signs", "changes"),  # steps down counted as steps up
    ("morris", estimators, "2.0 * (LEVELS - 1)", "LEVELS - 1"),
    ("morris", estimators, "effects.std(axis=1, ddof=1)", "effects.std(axis=1)"),
    ("dgsm", estimators, "np.pi**2", "np.pi"),
    ("dgsm", estimators, "/ step) ** 2", "/ step)"),
    ("ff", estimators, "contrast[:, :count].T @ outputs / len(outputs)", "contrast[:, :count].T @ outputs / (len(outputs) - 1)"),
    ("fast", given, "1.0 - rest / whole", "rest / whole"),
    ("fast", given, "np.arange(1, FAST_HARMONICS + 1)", "np.arange(1, FAST_HARMONICS)"),
    ("fast", given, "math.ceil(size * 0.5)", "math.floor(size * 0.5)"),
    ("rbd_fast", given, "index - share / (1 - share) * (1 - index)", "index"),  # the bias of noise left in
    ("rbd_fast", given, "order[1::2][::-1]", "order[1::2]"),
    ("rbd_fast", given, "self.half * self.half", "len(centred) * self.half"),
    ("pawn", given, "np.nanmedian", "np.nanmean"),
    ("pawn", given, "x >= edges[place]", "x > edges[place]"),
    ("pawn", given, "np.where(self.last, steps - self.all, 0.0)", "steps - self.all"),  # steps inside of ties
]  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(record=True), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def changed(module: ModuleType, old: str, new: str) -> ModuleType:
    """The module with one piece of its text replaced."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert source.count(old) >= 1, f"the text has changed: {old}"
    made = ModuleType(f"{module.__name__}_changed")
    sys.modules[made.__name__] = made  # dataclasses look there
    exec(compile(source.replace(old, new), f"<{made.__name__}>", "exec"), made.__dict__)
    del sys.modules[made.__name__]
    return made


@pytest.mark.parametrize(("method", "module", "old", "new"), MUTANTS)
def test_a_wrong_formula_is_found_out(method: str, module: ModuleType, old: str, new: str) -> None:
    wrong = changed(module, old, new)
    estimate = getattr(wrong, method)
    if "confidence" in old:  # settings are made by who asks

        def estimate(design: Any, outputs: Any, settings: Any) -> Any:
            return getattr(wrong, method)(design, outputs, wrong.Settings(**dataclasses.asdict(settings)))

    with pytest.raises(AssertionError, match="Not equal"):
        compare(method, estimate)


@pytest.mark.parametrize("method", sorted({item[0] for item in MUTANTS}))
def test_the_same_way_without_a_change_passes(method: str) -> None:
    module = estimators if hasattr(estimators, method) else given
    compare(method, getattr(changed(module, "import", "import"), method))
