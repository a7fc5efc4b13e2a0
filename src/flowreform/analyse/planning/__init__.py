"""Plans: decisions searched for, promises proved on fresh draws, and what a board asks of both."""

from flowreform.analyse.planning.find import Found, find
from flowreform.analyse.planning.result import as_json, dataset, plan, runnable

__all__ = ["Found", "as_json", "dataset", "find", "plan", "runnable"]
