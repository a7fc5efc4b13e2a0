"""Links: what one variable does to another along a run, slot by slot of a `Program`.

`course` runs a model once and keeps everything; `scores` says how much of each change came through which link (Loops That
Matter), `signs` which way each link acts.
"""
