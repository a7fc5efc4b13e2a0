"""A plan for people: its answers in words and tables, the bed-closure page, pictures, files."""

from flowreform.export.planning.files import write_plan
from flowreform.export.planning.words import answers

__all__ = ["answers", "write_plan"]
