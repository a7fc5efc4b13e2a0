"""Sensitivity: what matters, when it matters, and how sure we are.

`sensitivity` gives indices of all KPIs and of variables over time, per scenario or of the difference of two; `sensitivity_of`
takes them from runs that were made before; `bands`,
`probabilities` and `beats` say what the draws of a run have in common. Designs and estimators are those of SALib.
"""

from __future__ import annotations

from flowreform.analyse.sensitivity.analysis import sensitivity, warnings_of
from flowreform.analyse.sensitivity.chances import bands, beats, probabilities
from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS
from flowreform.analyse.sensitivity.stored import sensitivity_of

__all__ = ["MEANINGS", "METHODS", "bands", "beats", "probabilities", "sensitivity", "sensitivity_of", "warnings_of"]
