"""Sweeps: an experiment with thousands to millions of draws, in batch, into a folder that can be killed, moved and resumed."""

from flowreform.sweeps.campaign import Interrupted, State, Swept, sweep
from flowreform.sweeps.ledger import Failed
from flowreform.sweeps.reading import experiment_of, failures_of, open_sweep
from flowreform.sweeps.store import is_sweep

__all__ = ["Failed", "Interrupted", "State", "Swept", "experiment_of", "failures_of", "is_sweep", "open_sweep", "sweep"]
