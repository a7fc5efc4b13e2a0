"""The decision paper and the live page of an experiment: one HTML file that opens without a network."""
