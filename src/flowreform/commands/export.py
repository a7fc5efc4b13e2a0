"""`export`: a model as a file that other programs read."""

from __future__ import annotations

from pathlib import Path

from flowreform.commands.terminal import DONE, at_work, print_json, say


def export(name: str, output: Path, *, as_json: bool) -> int:
    """Write a model as XMILE 1.0."""
    import flowreform as fr

    with at_work("writing"):
        written = fr.write_model(fr.read_model(name), output)
    if as_json:
        print_json({"model": name, "file": written.name})
    else:
        say(f"wrote {written}")
    return DONE
