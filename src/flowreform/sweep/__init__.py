"""Sweeps: an experiment with thousands to millions of draws, in batch, into a folder that can be killed, moved and resumed."""

from flowreform.sweep.campaign import State, Swept, sweep
from flowreform.sweep.interrupt import Interrupted
from flowreform.sweep.ledger import Failed
from flowreform.sweep.reading import experiment_of, failures_of, open_sweep
from flowreform.sweep.store import is_sweep

__all__ = ["Failed", "Interrupted", "State", "Swept", "experiment_of", "failures_of", "is_sweep", "open_sweep", "sweep"]
