"""`check` and `assess`: faults found without running, and behaviour against what was observed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flowreform.commands.terminal import DIFFERENT, DONE, WRONG_INPUT, at_work, complain, print_json, say, show, table, write
from flowreform.errors import Level

if TYPE_CHECKING:
    from flowreform.analyse.assessment import Assessment
    from flowreform.model import Model


def check(name: str, *, noise_seed: int | None = None, as_json: bool) -> int:
    """Print every finding of a model or experiment; 1 when one of them is an error."""
    import flowreform as fr

    with at_work("checking"):
        findings = fr.check(name, noise_seed=noise_seed)
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = len(findings) - errors
    if as_json:
        entries = [asdict(finding) for finding in findings]
        print_json({"name": name, "errors": errors, "warnings": warnings, "findings": entries})
    else:
        complain(findings)
        show(f"{name}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return WRONG_INPUT if errors else DONE


def portable_to(name: str, *, as_json: bool) -> int:
    """Print what other programs do with the constructs that a model uses."""
    from flowreform.analyse.portability import TOOLS, portability
    from flowreform.experiment import as_model

    with at_work("checking"):
        model = as_model(name)
        uses = portability(model)
    opened = {tool: _opened(model, tool) for tool in TOOLS}
    if as_json:
        print_json({"name": name, "opens": opened, "constructs": [use.as_dict() for use in uses]})
        return DONE
    rows = []
    for use in uses:
        row, more = use.construct, len(use.variables) - 1
        where = use.variables[0] + (f" and {more} more" if more else "")
        rows.append([row.what, where, *(str(getattr(row, tool)) for tool in TOOLS), row.note])
    if rows:
        show(table("", ("construct", "where", "Stella", "Vensim", "PySD", "simlin", "what to do"), rows))
    show(*(f"{tool}: {reason}" for tool, reason in opened.items() if reason))
    what = "Everything else in it" if rows else "Everything in it"
    say(f"{what} means the same in Stella, Vensim, PySD and simlin (differences are listed in docs/witnesses.md)")
    return DONE


def _opened(model: Model, tool: str) -> str:
    """What must be done before a program opens the file at all; empty for nothing."""
    is_vensim = model.file.lower().endswith(".mdl")
    if tool == "stella" and is_vensim:
        return "opens XMILE: `flowreform export MODEL -o FILE.stmx`"
    return "opens XMILE by its import (Vensim 10)" if tool == "vensim" and not is_vensim else ""


def _count(many: int, word: str) -> str:
    return f"{many or 'no'} {word}{'' if many == 1 else 's'}"


def assess(name: str, *, tests: bool, full: bool, markdown: bool, as_json: bool) -> int:
    """Print every target, gate and witness of a model, with `tests` the standard battery too; 4 when one that should hold
    does not."""
    import flowreform as fr
    from flowreform.formats import read_model

    with at_work("assessing"):
        model = read_model(name)
        result = fr.assess(model, full=full)
        if tests or markdown:
            result = _with_battery(model, result)
    if as_json:
        print_json(result.as_dict())
    elif markdown:
        from flowreform.analyse.battery import markdown as as_markdown

        write(as_markdown(model, result.rows))
    else:
        show(*result.manual())
    return DONE if result.ok else DIFFERENT


def _with_battery(model: Model, result: Assessment) -> Assessment:
    from dataclasses import replace

    from flowreform.analyse.battery import battery
    from flowreform.case import read_case

    case = read_case(model)
    return replace(result, rows=(*result.rows, *battery(model, case))) if case else result
