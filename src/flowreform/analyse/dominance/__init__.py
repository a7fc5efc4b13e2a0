"""Which feedback loops drive a model, or one stock of it, and when (Loops That Matter)."""

from flowreform.analyse.dominance.dominance import Loop, Loops, loops
from flowreform.analyse.dominance.regimes import Regime

__all__ = ["Loop", "Loops", "Regime", "loops"]
