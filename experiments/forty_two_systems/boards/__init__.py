"""England's 42 integrated care boards: one calibration of a small stock-and-flow model, and its blind forecast."""
