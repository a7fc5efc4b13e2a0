"""Programs run as JavaScript, in node and in a headless browser."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowreform.engine.javascript import host, javascript
from flowreform.program import Program

BROWSER = ("chromium", "chromium-browser", "google-chrome")
TIME = 240


def script(
    program: Program,
    keep: Sequence[int],
    inputs: np.ndarray,
    drive: np.ndarray | None = None,
    drawn: Collection[int] = (),
    every: int = 1,
) -> tuple[str, tuple[int, ...]]:
    """JavaScript that leaves `answer`, [slot, time, run] end to end and which runs failed, and the slots in their order."""
    text, made = javascript(program, keep, drawn, every)
    runs = inputs.shape[1]
    series = "null"
    if drive is not None and drive.size:
        wide = np.concatenate([drive, drive[:, -1:], drive[:, -1:]], axis=1)
        numbers = ",".join("NaN" if value != value else repr(float(value)) for value in wide.ravel())
        series = f"{{ data: Float64Array.from([{numbers}]), width: {wide.shape[1]} }}"
    data = json.dumps([float(value) for value in inputs.ravel()])
    return (
        f"const model = (function () {{\n{text}}})();\n{host()}\n"
        f"const given = {{ data: Float64Array.from({data}), width: {runs} }};\n"
        f"const found = simulateModel(model, given, {series}, {runs});\n"
        "const values = [];\n"
        "for (let i = 0; i < found.out.data.length; i += found.out.width) {\n"
        f"  for (let r = 0; r < {runs}; r += 1) {{ values.push(found.out.data[i + r]); }}\n"
        "}\n"
        "const answer = JSON.stringify({ values: values.map(String), failed: Array.from(found.failed) });\n"
    ), made.saved


def values_of(answer: str, slots: int, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """float64[slot, time, run] and bool[run] of what a script answered."""
    found = json.loads(answer)
    numbers = np.array([float(text) for text in found["values"]])
    return numbers.reshape(slots, -1, runs), np.array(found["failed"], dtype=bool)


def in_node(text: str, folder: Path) -> str:
    """What node prints of `answer`."""
    path = folder / "model.js"
    path.write_text(text + "\nprocess.stdout.write(answer);\n", encoding="utf-8")
    done = subprocess.run(
        ["node", "--disallow-code-generation-from-strings", str(path)], capture_output=True, text=True, timeout=TIME
    )
    assert not done.returncode, done.stderr[-2000:]
    return done.stdout


def browser() -> str:
    """The browser's command."""
    found = next((path for name in BROWSER if (path := shutil.which(name))), None)
    assert found, "no chromium"
    return found


def chromium(folder: Path, *arguments: str) -> str:
    """What a headless browser prints; its profile lies in `folder`."""
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME)
    assert not done.returncode, done.stderr[-2000:]
    return done.stdout


def in_chromium(text: str, folder: Path) -> str:
    """What a page of its own, with a content security policy and no eval, leaves in its text."""
    page = folder / "model.html"
    policy = "default-src 'none'; script-src 'unsafe-inline'"
    body = text.replace("</", "<\\/")
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<pre id="answer"></pre><script>{body}\ndocument.getElementById("answer").textContent = answer;</script>',
        encoding="utf-8",
    )
    found: Any = chromium(folder, "--virtual-time-budget=60000", "--dump-dom", page.as_uri())
    return html.unescape(found.partition('<pre id="answer">')[2].partition("</pre>")[0])
