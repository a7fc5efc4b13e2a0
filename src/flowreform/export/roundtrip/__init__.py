"""The way back from what was written: a workbook's inputs to the engine, and whether its results follow from them."""
