"""The live workbook: a model, with its scenarios, as a spreadsheet whose formulas recalculate.

No macros, no links, no named cells inside formulas, nothing volatile. Every formula cell holds the engine's value, so that
what is seen before anything is recalculated is right.
"""
