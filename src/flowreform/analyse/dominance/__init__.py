"""Which feedback loops drive a model, or one stock of it, and when (Loops That Matter)."""

from flowreform.analyse.dominance.dominance import FeedbackLoop, Loops, loops
from flowreform.analyse.dominance.regimes import Regime

__all__ = ["FeedbackLoop", "Loops", "Regime", "loops"]
