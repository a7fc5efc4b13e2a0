"""Build the documentation site: `python docs/build_site.py OUT` (needs `pip install '.[docs]'`).

    OUT/source   every page as Markdown: those of docs, models and experiments, and those made here from the code itself
    OUT/site     the site; open OUT/site/index.html, from disk or from a server

`--reports N` makes the gallery's live reports with N draws (default: 20). A link that leads nowhere, or a notebook that does not
run, ends the build. `--quick` leaves the drawings of the models and the reports out, which take most of the time.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from typer.main import get_command

import flowreform as fr
from flowreform.builtins import BUILTINS, Kind
from flowreform.cli import app
from flowreform.formats import bundled

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

START = ("index.md", "background.md")
GUIDES = (
    "how_to_plan_your_system.md", "how_to_your_model.md", "reports.md", "workbook.md", "exports.md", "templates.md",
    "how_to_sweep.md", "how_to_sensitivity.md", "how_to_condition.md", "how_to_plan.md", "diagrams.md", "python.md",
)  # fmt: skip
EVIDENCE = ("care_shift_answers.md", "assurance.md", "witnesses.md", "functions.md")
"""Pages of docs by where they stand in the site; a page in none of these is a fault."""
NOTEBOOK = "first_steps.ipynb"
OUTSIDE = r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*></script>'
GALLERY = (
    "va_beds_to_community", "canterbury_earthquake", "mental_health_double_running", "stroke_northumbria",
    "care_shift_build_or_close_first",
)  # fmt: skip
"""The experiments with a live report, one for each model that has one."""

Nav = list[Any]


def main() -> None:
    """Read the command line, write the sources, build the site."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--reports", type=int, default=20, metavar="N")
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    source = wanted.out / "source"
    shutil.rmtree(source, ignore_errors=True)
    nav = stage(source, quick=wanted.quick)
    run_notebook(source)
    if not wanted.quick:
        draw_models(source)
        make_reports(source, wanted.reports)
    build(wanted.out, nav)


def stage(source: Path, *, quick: bool) -> Nav:
    """Write every page, `quick` without what leads to drawings and reports; the order in which they stand."""
    unplaced = {page.name for page in DOCS.glob("*.md")} - {*START, *GUIDES, *EVIDENCE}
    if unplaced:
        sys.exit(f"docs/build_site.py: no place in the site for {', '.join(sorted(unplaced))}: add it to GUIDES or EVIDENCE")
    for name in (*START, *GUIDES, *EVIDENCE):
        write(source / name, relinked(DOCS / name, ROOT))
    for picture in DOCS.glob("*.png"):
        shutil.copy(picture, source / picture.name)
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    for page in decisions:
        write(source / "decisions" / page.name, relinked(page, ROOT))
    models = [model_page(source, name, drawn=not quick) for name in bundled("models")]
    experiments = list(experiment_pages(source))
    write(source / "commands.md", commands_page())
    write(source / "builtins.md", builtins_page())
    write(source / "api.md", api_page())
    if not quick:
        write(source / "gallery.md", gallery_page())
    notebook = Path(NOTEBOOK).with_suffix(".md").name
    write(source / notebook, "# First steps in Python\n")  # replaced when the notebook has run
    return [
        {"Start": [{title(source / name): name} for name in START] + ([] if quick else [{"Gallery": "gallery.md"}])},
        {"Guides": [{title(source / name): name} for name in (*GUIDES, notebook)]},
        {"Models": models},
        {"Experiments": experiments},
        {"Reference": [{"Commands": "commands.md"}, {"Functions in Python": "api.md"}, {"Built-in functions": "builtins.md"}]
                      + [{title(source / name): name} for name in EVIDENCE]},
        {"Decisions": [{title(source / "decisions" / page.name): f"decisions/{page.name}"} for page in decisions]},
    ]  # fmt: skip


def write(path: Path, text: str) -> None:
    """A page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip() + "\n", encoding="utf-8", newline="\n")


def title(page: Path) -> str:
    """The first heading of a page, without its marks."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return found[1].replace("`", "") if found else page.stem


def placed(file: Path) -> Path | None:
    """Where a file of the project stands in the site; None where it does not."""
    parts = file.relative_to(ROOT).parts
    match parts:
        case ("docs", "first_steps.ipynb"):
            return Path("first_steps.md")
        case ("docs", *rest) if rest and file.suffix in (".md", ".png"):
            return Path(*rest)
        case ("models", name, "README.md"):
            return Path("models", f"{name}.md")
        case ("models", name, picture) if picture.endswith(".png"):
            return Path("models", f"{name}_{picture}")
        case ("experiments", "README.md"):
            return Path("experiments", "index.md")
        case ("README.md",):
            return Path("index.md")
        case _:
            return None


def relinked(page: Path, root: Path) -> str:
    """The text of a page with its links as the site has them: a file that the site does not hold is named, not linked."""
    here = placed(page)
    assert here is not None

    def replaced(found: re.Match[str]) -> str:
        mark, text, target = found[1], found[2], found[3]
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        address, _, anchor = target.partition("#")
        file = (page.parent / address).resolve()
        place = placed(file) if file.is_relative_to(root) else None
        if place is None or not file.exists():
            return text if not mark else ""
        away = os.path.relpath(place, here.parent).replace(os.sep, "/")
        return f"{mark}[{text}]({away}{'#' + anchor if anchor else ''})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", replaced, page.read_text(encoding="utf-8"))


# --- pages made from the code ----------------------------------------------------------------------------------------


def model_page(source: Path, name: str, *, drawn: bool) -> dict[str, str]:
    """The README of a model, its picture, its inputs."""
    folder = bundled("models")[name].parent
    readme = ROOT / "models" / name / "README.md"
    for picture in readme.parent.glob("*.png"):
        shutil.copy(picture, target(source / "models" / f"{name}_{picture.name}"))
    model = fr.read_model(folder / "model.xmile")
    case = fr.read_case(model)
    assert case is not None
    parts = [relinked(readme, ROOT)]
    if drawn:
        parts += [
            "## How it holds together\n",
            f"![What flows where in {name}]({name}.svg)\n",
            f"[Every sheet and feedback loop, with its twin in words](drawn_{name}.html)\n",
        ]
    parts += ["## Inputs\n", "| input | value | unit | range | status | source |\n|---|---:|---|---|---|---|"]
    for key, item in sorted(case.parameters.items() | case.uncertainties.items() | case.levers.items()):
        variable = model.variables.get(key)
        if variable is not None:
            value = variable.equations[0].text if variable.equations else ""
            span = " to ".join(f"{end:g}" for end in variable.range) if variable.range else ""
            cells = (f"`{key}`", value, variable.units or "", span, str(getattr(item, "status", "") or ""), item.source)
            parts.append("| " + " | ".join(cell(part) for part in cells) + " |")
    write(source / "models" / f"{name}.md", "\n".join(parts))
    return {case.about.title: f"models/{name}.md"}


def cell(text: str) -> str:
    """Text fit for a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def experiment_pages(source: Path) -> Iterator[dict[str, str]]:
    """A page for each section of experiments/README.md, and one that leads to them."""
    page = ROOT / "experiments" / "README.md"
    head, *sections = re.split(r"^## ", relinked(page, ROOT), flags=re.M)
    lines = [head.strip(), ""]
    pages = []
    for section in sections:
        name, _, body = section.partition("\n")
        question = next((line for line in body.splitlines() if line.strip() and not line.startswith(("#", "|", "<"))), "")
        lines.append(f"- [{name.strip()}]({name.strip()}.md): {question.strip(' *')}")
        write(source / "experiments" / f"{name.strip()}.md", f"# {name.strip()}\n{body}")
        pages.append({name.strip(): f"experiments/{name.strip()}.md"})
    write(source / "experiments" / "index.md", "\n".join(lines))
    yield {"All, with their questions": "experiments/index.md"}
    yield from pages


def commands_page() -> str:
    """The help of every command, as it is printed."""
    command = get_command(app)
    assert isinstance(command, click.Group) or hasattr(command, "commands")
    texts = ["# Commands", "", "What `flowreform COMMAND --help` prints.", "", "```text", helped(), "```"]
    for name in command.commands:
        texts += ["", f"## {name}", "", "```text", helped(name), "```"]
    return "\n".join(texts)


def helped(*words: str) -> str:
    """What `--help` prints."""
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1"})
    return result.output.strip()


def builtins_page() -> str:
    """The table of built-in functions."""
    lines = [
        "# Built-in functions", "",
        "How each is called, with the unit of every argument and of the result (`T`: the model's unit of time, `1`: none, the",
        "same letter is the same unit). What Vensim and Stella call them: [functions](functions.md).", "",
        "| function | call | also written | |", "|---|---|---|---|",
    ]  # fmt: skip
    for item in sorted(BUILTINS.values(), key=lambda one: one.name):
        inside = ", ".join(
            f"[{a.word}: {a.unit}{' = ' + a.default if a.default else ''}]" if a.optional else f"{a.word}: {a.unit}"
            for a in item.arguments
        )
        more = ", ..." if item.repeats else ""
        call = item.name if item.kind is Kind.VALUE else f"{item.name}({inside}{more}) -> {item.result}"
        shown, note = (f"`{cell(call)}`", item.note) if item.kind is not Kind.REFUSED else ("", f"refused: {item.note}")
        lines.append(f"| {item.name} | {shown} | {cell(', '.join(item.also))} | {cell(note)} |")
    return "\n".join(lines)


def api_page() -> str:
    """The docstring of everything public."""
    lines = ["# Functions in Python", "", "`import flowreform as fr`; everything below is `fr.<name>`.", ""]
    for name in sorted((n for n in fr.__all__ if not n.startswith("__")), key=str.lower):
        thing = getattr(fr, name)
        lines += [f"## {name}", ""]
        if not (isinstance(thing, type) and issubclass(thing, Exception)):
            lines += ["```python", name + str(inspect.signature(thing)).replace("'", ""), "```", ""]
        lines += [docstring(inspect.getdoc(thing) or ""), ""]
    return "\n".join(lines)


def docstring(text: str) -> str:
    """A docstring as Markdown: a literal block is code."""

    def block(found: re.Match[str]) -> str:
        return f":\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n"

    return re.sub(r"::\n\n((?:    .*(?:\n|\Z)|\n)+)", block, text + "\n")


def gallery_page() -> str:
    """The live reports."""
    lines = [
        "# Gallery", "",
        "A report is one file: a decision paper of two printed pages, and below it the model to try. It needs no network.", "",
    ]  # fmt: skip
    for name in GALLERY:
        experiment = fr.read_experiment(name)
        lines.append(f"- [{experiment.title}](reports/{name}.html): {experiment.question}")
    return "\n".join(lines)


# --- what takes a while ----------------------------------------------------------------------------------------------


def target(path: Path) -> Path:
    """A path in a folder that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def command(*words: str | Path) -> None:
    """A command of flowreform; the build ends where it does not end well."""
    done = subprocess.run([sys.executable, "-m", "flowreform", *map(str, words)], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"flowreform {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")


def draw_models(source: Path) -> None:
    """The overview of each model, and all of its sheets and loops."""
    for name in bundled("models"):
        command("diagram", name, "-o", target(source / "models" / f"{name}.svg"))
        command("diagram", name, "-o", source / "models" / f"drawn_{name}.html")


def make_reports(source: Path, draws: int) -> None:
    """The reports of the gallery."""
    for name in GALLERY:
        command("report", name, "-o", target(source / "reports" / f"{name}.html"), "--draws", str(draws))


def run_notebook(source: Path) -> None:
    """The notebook, run from its first cell to its last, as a page."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    notebook = nbformat.read(DOCS / NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(source)}}).execute()
    body, resources = MarkdownExporter().from_notebook_node(notebook, resources={"unique_key": "first_steps"})
    write(source / Path(NOTEBOOK).with_suffix(".md").name, body)
    for name, data in resources.get("outputs", {}).items():
        target(source / name).write_bytes(data)


def build(out: Path, nav: Nav) -> None:
    """The site, from its sources. Every warning is a fault."""
    import yaml

    settings = yaml.safe_load((DOCS / "mkdocs.yml").read_text(encoding="utf-8"))
    settings |= {"docs_dir": "source", "site_dir": "site", "nav": nav}
    (out / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
    tool = Path(sys.executable).with_name("zensical")
    done = subprocess.run([tool, "build", "--clean", "--strict", "-f", "mkdocs.yml"], cwd=out, check=False)
    if done.returncode:
        sys.exit("docs/build_site.py: the site could not be built, or a link leads nowhere (above)")
    nothing_from_outside(out / "site")


def nothing_from_outside(site: Path) -> None:
    """The script that zensical loads from a server, so that search works from disk, is one of our own in the page."""
    own = f"<script>\n{(DOCS / 'search_from_disk.js').read_text(encoding='utf-8')}</script>"
    for page in site.rglob("*.html"):
        text = re.sub(OUTSIDE, lambda _: own, page.read_text(encoding="utf-8"))
        if found := re.search(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)?//[^"]+"', text):
            sys.exit(f"docs/build_site.py: {page.relative_to(site)} loads {found.group(0)}: nothing may come from outside")
        page.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
