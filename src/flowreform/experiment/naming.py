"""The line of an experiment file that names its draws, put in without touching any other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from flowreform.errors import ExperimentError, error

_HEAD = re.compile(r"^[ \t]*\[[ \t]*experiment[ \t]*\][^\n]*\n", re.MULTILINE)
_NEXT = re.compile(r"^[ \t]*\[", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*ensemble[ \t]*=[^\n]*$", re.MULTILINE)


def name_ensemble(path: Path, name: str) -> str:
    """The text of an experiment file with `ensemble = name` in its table [experiment].

    Raises ExperimentError where the file says it in a way that one line cannot replace."""
    text = path.read_text(encoding="utf-8-sig")
    line = f"ensemble = {json.dumps(name)}"
    head = _HEAD.search(text)
    made = text
    if head is not None:
        after = _NEXT.search(text, head.end())
        end = after.start() if after else len(text)
        there = _LINE.search(text, head.end(), end)
        made = (
            text[: there.start()] + line + text[there.end() :] if there else text[: head.end()] + line + "\n" + text[head.end() :]
        )
    wanted = tomllib.loads(text)
    wanted["experiment"]["ensemble"] = name
    try:
        same = tomllib.loads(made) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise ExperimentError(
            error("calibration", "the draws cannot be named in this file", f"write {line} under [experiment]", file=str(path))
        )
    return made
