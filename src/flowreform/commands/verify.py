"""`verify`: recompute what flowreform wrote and compare; what is done follows from the kind of path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flowreform.commands.terminal import DIFFERENT, DONE, print_json, say, show, table
from flowreform.errors import ExperimentError, error


def verify(path: Path, *, as_json: bool) -> int:
    """Verify a file or folder; 4 when it differs from what it should be."""
    kinds: dict[str, Callable[..., int]] = {
        "folder": _sweep,
    }
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if kind not in kinds:
        reason = "nothing here can be verified" if path.exists() else "there is no such file or folder"
        raise ExperimentError(error("verify", reason, f"verify takes: {', '.join(kinds)}", file=str(path)))
    return kinds[kind](path, as_json=as_json)


def _sweep(path: Path, *, as_json: bool) -> int:
    """Checksums of all files, and a sample of runs worked out again."""
    from dataclasses import asdict

    from flowreform.sweep.verify import verify_sweep

    found = verify_sweep(path)
    if as_json:
        print_json(asdict(found) | {"same": found.same})
    else:
        rows = [(name, f"{count:,}", worst) for name, count, worst in found.rows()]
        show(f"Sweep {path}", table("", ("checked", "numbers", "result"), rows, right=(1,)), f"Rule: {found.rule}")
        for line in found.faults[:20]:
            say(f"different: {line}")
        if len(found.faults) > 20:
            say(f"different: ... and {len(found.faults) - 20:,} more")
        say("as it should be" if found.same else "not as it should be")
    return DONE if found.same else DIFFERENT
