"""The values-only workbook: what an experiment or a sweep gave, for people who have a spreadsheet, without a formula in it."""

from flowreform.export.values.about import write_values

__all__ = ["write_values"]
