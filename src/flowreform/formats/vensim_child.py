"""The child process that runs PySD's Vensim translator on single equations.

Started by `vensim_translate` as a file of its own (`python -I vensim_child.py`), so it imports nothing of flowreform. It
reads one JSON object from standard input, writes one to standard output, opens no file of the user's and writes none.

The translator calls `eval` on lookup points, numbers and quoted text. Here that name is a parser of literals, so nothing
that stands in a model file can run. Only the modules of the translator are loaded: `pysd` itself is a bare package whose
`__init__`, with xarray and pandas behind it, never runs.

In:  {"paths": [folder, ...], "equations": [text, ...]}
Out: {"results": [{"kind", "name", "subscripts", "exceptions", "keyword", "nodes"} | {"error", "at"}, ...]}
`nodes` is the syntax tree as a list, children before their parent, the root last; see `Encoder`.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import json
import re
import sys
import types
import warnings
from typing import Any

_TOKEN = re.compile(r"\s*([+-]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[()\[\],])")
_SIGNED = re.compile(r"\s*([+-]?)\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


def limit(cpu_seconds: int, memory_bytes: int) -> None:
    """Bound processor time, address space and file writing where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's wall-clock limit is what there is
        return
    for kind, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            _, hard = resource.getrlimit(kind)
            ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (ceiling, hard if kind == resource.RLIMIT_CPU else ceiling))
        except (ValueError, OSError):
            continue


def literal(text: str) -> Any:
    """The value of a literal: quoted text, signed numbers that follow each other (their sum, as in `2-3`), or nested
    lists of numbers in brackets, of which a lone pair stays a list of one pair.

    Raises ValueError for anything else."""
    plain = text.strip()
    if len(plain) >= 2 and plain[0] == plain[-1] == "'":
        return plain[1:-1]
    if plain[:1] not in ("(", "["):
        return total(plain)
    return points(plain)


def total(text: str) -> float:
    """The sum of signed numbers written one after the other; each but the first has a sign."""
    position, value = 0, 0.0
    while position < len(text) or position == 0:
        found = _SIGNED.match(text, position)
        if found is None or (position and not found.group(1)):
            raise ValueError(f"not a number: {text[:60]}")
        value += -float(found.group(2)) if found.group(1) == "-" else float(found.group(2))
        position = found.end()
    return value


def points(text: str) -> list[list[float]]:
    """The pairs in `[(0,0),(10,10)],`, `(1,2),(3,4)` or `(1,2)`; an outer pair of brackets and a comma may stand around."""
    position = 0
    pairs: list[list[float]] = []
    inside: list[float] | None = None
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"not a point: {text[position : position + 40]}")
        token = found.group(1)
        position = found.end()
        if token == "(":
            if inside is not None:
                raise ValueError("a point inside a point")
            inside = []
        elif token == ")":
            if inside is None or len(inside) != 2:
                raise ValueError("a point needs two numbers")
            pairs.append(inside)
            inside = None
        elif token in "[],":
            continue
        elif inside is None:
            raise ValueError(f"a number outside a point: {token}")
        else:
            inside.append(float(token.replace(" ", "")))
    if inside is not None or not pairs:
        raise ValueError("points are not closed")
    return pairs


class Encoder:
    """Writes a syntax tree as a flat list of nodes: ["number", v], ["text", s], ["none"], ["numbers", [v, ...]],
    ["list", [child, ...]], ["reference", name, [subscript, ...] | None], ["lookup", [x], [y]] and
    [class name, operators | None, [child, ...]] for every other structure."""

    def __init__(self) -> None:
        self.nodes: list[list[Any]] = []

    def add(self, node: list[Any]) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def encode(self, value: Any) -> int:
        kind = type(value).__name__
        if value is None:
            return self.add(["none"])
        if isinstance(value, str):
            return self.add(["text", value])
        if isinstance(value, (int, float)):
            return self.add(["number", float(value)])
        if kind == "ndarray":
            return self.add(["numbers", [float(item) for item in value.ravel()]])
        if isinstance(value, (list, tuple)):
            return self.add(["list", [self.encode(item) for item in value]])
        if kind == "ReferenceStructure":
            return self.add(["reference", value.reference, self.subscripts(value.subscripts)])
        if kind == "LookupsStructure":
            return self.add(["lookup", [float(x) for x in value.x], [float(y) for y in value.y]])
        if kind == "CallStructure":
            function = value.function
            children = [self.encode(item) for item in value.arguments]
            return self.add(["call", function.reference, children, self.subscripts(function.subscripts)])
        if kind in ("ArithmeticStructure", "LogicStructure"):
            return self.add([kind, list(value.operators), [self.encode(item) for item in value.arguments]])
        if dataclasses.is_dataclass(value):
            return self.add([kind, None, [self.encode(getattr(value, field.name)) for field in dataclasses.fields(value)]])
        raise TypeError(f"no form for {kind}")

    @staticmethod
    def subscripts(value: Any) -> list[str] | None:
        return None if value is None else [str(item) for item in value.subscripts]


def load(paths: list[str]) -> Any:
    """The translator's module of elements, with `eval` replaced and the minus sign bound below the power sign."""
    sys.path.extend(path for path in paths if path not in sys.path)
    spec = importlib.util.find_spec("pysd")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("pysd is not installed")
    package = types.ModuleType("pysd")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["pysd"] = package
    from pysd.translators.vensim import vensim_element, vensim_section, vensim_structures, vensim_utils

    for module in (vensim_element, vensim_section, vensim_structures, vensim_utils):
        module.eval = module.exec = literal

    def visit_neg_expr(self: Any, node: Any, children: list[str]) -> str:
        # the translator folds the sign into a number at once, which makes -2^2 four; Vensim's is minus four
        if children[0] == "-":
            self.negatives.add(children[2])
        return children[2]

    vensim_element.EquationVisitor.visit_neg_expr = visit_neg_expr
    return vensim_element


FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

KINDS = {
    "Component": "equation",
    "UnchangeableConstant": "equation",
    "Lookup": "lookup",
    "Data": "data",
    "SubscriptRange": "dimension",
    "Constraint": "constraint",
    "TestInput": "test input",
}


def translate(module: Any, equation: str) -> dict[str, Any]:
    """One equation as its kind, left side and syntax tree."""
    part = module.Element(equation, "", "").parse()
    kind = KINDS[type(part).__name__]
    result: dict[str, Any] = {"kind": kind, "name": part.name}
    if kind in ("equation", "lookup", "data"):
        part.parse()
        encoder = Encoder()
        encoder.encode(part.ast)
        subscripts, exceptions = part.subscripts
        result |= {
            "subscripts": list(subscripts),
            "exceptions": [list(group) for group in exceptions],
            "keyword": getattr(part, "keyword", None),
            "nodes": encoder.nodes,
        }
    return result


def explain(problem: BaseException, equation: str) -> dict[str, Any]:
    """A fault in one line: what could not be read, and from which character of the equation on (-1: not known)."""
    at = getattr(problem, "pos", None)
    source = getattr(problem, "text", None)
    if isinstance(at, int) and isinstance(source, str):
        offset = equation.find(source) if source != equation else 0
        rest = source[at:].strip() or source.strip()
        return {"error": f"cannot read `{rest[:60]}`", "at": at + offset if offset >= 0 else -1}
    if isinstance(problem, RecursionError):
        return {"error": "is nested too deeply", "at": -1}
    text = re.sub(r"^\w*(Error|Exception): ", "", str(problem).split("\n")[0])
    if "positional argument" in text:
        return {"error": "a function has too few or too many arguments", "at": -1}
    return {"error": text[:200] or type(problem).__name__, "at": -1}


def main() -> None:
    limit(int(sys.argv[1]), int(sys.argv[2]))
    request = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    gc.disable()
    sys.setrecursionlimit(20_000)
    module = load(request["paths"])
    faults = (*FAULTS, sys.modules["parsimonious.exceptions"].ParsimoniousError)
    results = []
    for equation in request["equations"]:
        try:
            results.append(translate(module, equation))
        except faults as problem:  # whatever the translator trips over is a fault of this equation, told to the parent
            results.append(explain(problem, equation))
        if len(results) % 200 == 0:
            gc.collect()
    json.dump({"results": results}, sys.stdout)


if __name__ == "__main__":
    main()
