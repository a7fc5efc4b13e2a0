"""Sensitivity: what matters, when it matters, and how sure we are.

`sensitivity` gives indices of all KPIs and of variables over time, per scenario or of the difference of two; `bands`,
`probabilities` and `beats` say what the draws of a run have in common. Designs and estimators are those of SALib.
"""

from __future__ import annotations

from flowreform.sensitivity.analysis import sensitivity, warnings_of
from flowreform.sensitivity.bands import bands, beats, probabilities
from flowreform.sensitivity.methods import MEANINGS, METHODS

__all__ = ["MEANINGS", "METHODS", "bands", "beats", "probabilities", "sensitivity", "warnings_of"]
