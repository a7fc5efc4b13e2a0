"""Diagrams of a model: an overview of its plumbing, a sheet for each sector, a card for each loop, and the text twin of each.

Everything here is geometry: the same model gives the same drawing, to the last digit. Nothing is run; signs, loops and levers are
handed in.
"""
