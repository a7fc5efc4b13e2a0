"""Modules import in one direction: no circle, not even through imports inside functions."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import flowreform

SOURCE = Path(flowreform.__file__).parent


def modules() -> dict[str, str]:
    """The text of every module by its dotted name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        name = ".".join(("flowreform", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = path.read_text(encoding="utf-8")
    return found


def imports(texts: dict[str, str]) -> dict[str, set[str]]:
    """What each module imports of the others at run time; the public names of the package itself are loaded when first used."""
    graph: dict[str, set[str]] = {}
    for name, text in texts.items():
        tree = ast.parse(text)
        typing = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        graph[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in typing and node.module and name != "flowreform":
                wanted = {full if (full := f"{node.module}.{alias.name}") in texts else node.module for alias in node.names}
                graph[name] |= {module for module in wanted if module in texts and module not in ("flowreform", name)}
    return graph


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter(imports(modules())).prepare()


def test_a_circle_would_be_found() -> None:
    """The mutant: an import inside a function of the lowest module."""
    texts = modules()
    texts["flowreform.errors"] += "\n\ndef late() -> None:\n    from flowreform.runs import run\n"
    with pytest.raises(CycleError):
        TopologicalSorter(imports(texts)).prepare()


def test_no_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = {}
    for name, text in modules().items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
