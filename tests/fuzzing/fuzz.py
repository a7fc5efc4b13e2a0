"""Reads, checks, runs and writes damaged model files until the time is up.

    python tests/fuzzing/fuzz.py xmile --seconds 1800 --out FOLDER

A fault is anything but a result or an error of ours in words: another exception, a warning of Python's, a crash, more than
SECONDS of processor time or MEGABYTES, a message that is no single line, a file beside the model that was not there, or a
model that writes itself so that it reads back as another. Each is kept in the folder with what it did.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import mutations

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {"xmile": (".xmile", ".stmx"), "mdl": (".mdl",)}
WORDS = {"xmile": mutations.XMILE, "mdl": mutations.MDL}
FOLDERS = ("tests/fixtures", "models", "benchmarks/models")
OTHERS = {"FLOWREFORM_TEST_MODELS": "../shared/conformance", "FLOWREFORM_BAD_INPUTS": "../shared/bad_inputs"}
SECONDS, MEGABYTES = 20, 3_000
LIMITS = {"STEPS": 1_000, "ELEMENTS": 5_000}
"""A damaged file may ask for a long run; that is no fault, so the bounds of a run are set low here."""


class TookTooLong(BaseException):
    """More than SECONDS of processor time; no handler of Exception may swallow it."""


def folders() -> list[Path]:
    """Where sound files are: the project's own, and the suites where they are there."""
    named = [Path(os.environ.get(variable) or ROOT / default) for variable, default in OTHERS.items()]
    return [folder for folder in (*(ROOT / name for name in FOLDERS), *named) if folder.is_dir()]


def pool(kind: str) -> list[bytes]:
    """The bytes of every file to start from."""
    return [path.read_bytes() for path in mutations.seeds(folders(), SUFFIXES[kind])]


# --- one case --------------------------------------------------------------------------------------------------------


def judge(path: Path) -> str:
    """What is wrong with what became of a file; empty when nothing is. `path` stands in a folder of its own."""
    import flowreform as fr
    from flowreform.errors import FlowreformError

    before = set(path.parent.iterdir())
    said: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = fr.read_model(path)
            findings = fr.check(model)
            said = [str(finding) for finding in findings]
            fr.simulate(model, engine="python")
            said.append("it runs")
            trouble = written(model)
            if trouble:
                return trouble
    except FlowreformError as fault:
        said += str(fault).split("\n")
        if not fault.findings:
            return "an error with nothing in it"
    except TookTooLong:
        return "took too long\n" + traceback.format_exc()
    except BaseException:  # noqa: BLE001 - this is what we are after
        return traceback.format_exc()
    for line in said:
        if not line.isprintable() or not line.strip() or len(line) > 2_000 or "Traceback" in line:
            return f"a message that is no plain line: {line[:300]!r}"
    extra = set(path.parent.iterdir()) - before
    return f"left {sorted(item.name for item in extra)} beside the model" if extra else ""


def written(model: Any) -> str:
    """What was written reads back, and from then on nothing changes."""
    import flowreform as fr
    from flowreform.errors import FlowreformError
    from flowreform.formats.writer import plain

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.xmile"
        try:
            fr.write_model(model, copy)
        except FlowreformError:
            return ""
        once = fr.read_model(copy)
        fr.write_model(once, copy)
        if repr(plain(fr.read_model(copy)).variables) != repr(plain(once).variables):
            return "reads back as another model"
    return ""


# --- many ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Processor time and memory of one case."""

    def stop(*_: object) -> None:
        raise TookTooLong

    used = int(time.process_time())
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + 4 * SECONDS, hard))  # kills what does not come back to Python
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def prepare() -> None:
    """Set this process up: low limits, and everything imported that a case needs."""
    os.environ.update({f"FLOWREFORM_MAX_{name}": str(value) for name, value in LIMITS.items()})
    import flowreform as fr

    for name in ("read_model", "check", "simulate", "write_model"):
        getattr(fr, name)
    import xarray  # noqa: F401

    sys.setrecursionlimit(10_000)  # `written` compares by repr, which goes several frames deep for a level of brackets


def cases(kind: str, numbers: Iterator[int], folder: Path) -> Iterator[tuple[int, bytes, str]]:
    """Each number with the file it made and what was wrong, in this process."""
    files = pool(kind)
    prepare()
    path = folder / f"case{SUFFIXES[kind][0]}"
    for number in numbers:
        data = mutations.damage(number, files, WORDS[kind])
        path.write_bytes(data)
        with bounded():
            wrong = judge(path)
        yield number, data, wrong


def signature(wrong: str) -> str:
    """What makes two faults the same: where it was raised, or the words without numbers and names."""
    places = [text.strip() for text in wrong.splitlines() if text.strip().startswith("File ")]
    ours = [text for text in places if "flowreform" in text]
    return (ours or places or [wrong[:60]])[-1] + (wrong.strip().splitlines()[-1][:40] if places else "")


def worker(kind: str, first: int, seconds: float, out: Path, report: Path) -> None:
    """Work through the numbers from `first` on until so much processor time is used."""
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20))
    seen: set[str] = set()

    def numbers() -> Iterator[int]:
        number = first
        while time.process_time() < seconds:
            report.write_text(f"{number} {time.process_time()}")
            yield number
            number += 1

    with tempfile.TemporaryDirectory() as folder:
        for number, data, wrong in cases(kind, numbers(), Path(folder)):
            if wrong and signature(wrong) not in seen:
                seen.add(signature(wrong))
                (out / f"{kind}-{number}{SUFFIXES[kind][0]}").write_bytes(data)
                (out / f"{kind}-{number}.txt").write_text(wrong, encoding="utf-8")
                print(f"{kind} {number}: {wrong.strip().splitlines()[-1][:150]}  <- {signature(wrong)[:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SUFFIXES)
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / f"{options.kind}.now"
    first, left = options.first, options.seconds
    while left > 0:
        child = os.fork()
        if not child:
            worker(options.kind, first, left, options.out, report)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        number, used = report.read_text().split()
        left -= float(used)
        if status:
            data = mutations.damage(int(number), pool(options.kind), WORDS[options.kind])
            (options.out / f"{options.kind}-{number}-killed{SUFFIXES[options.kind][0]}").write_bytes(data)
            print(f"{options.kind} {number}: the process ended with status {status}", flush=True)
            left -= SECONDS
        first = int(number) + 1
        if not status:
            break
    print(f"{options.kind}: {first - options.first:,} cases", flush=True)


if __name__ == "__main__":
    main()
