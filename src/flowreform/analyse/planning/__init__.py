"""Plans: decisions searched for, promises proved on fresh draws, and what a board asks of both."""

from flowreform.analyse.planning.find import FoundPlan, find
from flowreform.analyse.planning.result import as_json, dataset, plan, runnable

__all__ = ["FoundPlan", "as_json", "dataset", "find", "plan", "runnable"]
