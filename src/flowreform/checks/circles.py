"""Algebraic loops: equations that need each other's value in the same moment, told as `a -> b -> c -> a` (cause to effect).

Stocks break loops, and so do delays and smooths in what they read; while initial values are worked out, what counts is
where stocks and delays start. Whole variables are looked at first; arrays in an apparent loop are then taken apart into
their elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.checks.subject import Section, Taking, correspondence, named_element, sections, taking
from flowreform.checks.subscripts import Element, covered
from flowreform.errors import Finding, error
from flowreform.graph import circles, components, turned
from flowreform.lower.subscripts import positions
from flowreform.model import Call, Dimension, Equation, Expr, Macro, Model, Number, Ref, Role, Star, Variable, children

Node = tuple[str, Element]

LARGEST = 1_000_000
"""So many steps between elements are followed in one apparent loop; beyond, only lowering the model finds out."""

MOST_SHOWN = 12


def loops(model: Model) -> Iterator[Finding]:
    """Loops among equations, and loops among initial values."""
    reading = _Reading(model)
    for section in sections(model):
        running = reading.loops(section, starting=False)
        for circle in running:
            yield _finding(model, section, circle, starting=False)
        if not running:
            for circle in reading.loops(section, starting=True):
                yield _finding(model, section, circle, starting=True)


def _finding(model: Model, section: Section, circle: tuple[Node, ...], *, starting: bool) -> Finding:
    variable = next(item for item in section.own if item.name == circle[0][0])
    names = [f"{name}[{', '.join(element)}]" if element else name for name, element in circle]
    shown = [*names[: MOST_SHOWN - 2], f"({len(names) - MOST_SHOWN + 1} more)", names[-1]] if len(names) > MOST_SHOWN else names
    path = " -> ".join((*shown, names[0]))
    line = variable.equations[0].line if variable.equations else 0
    if starting:
        rule, reason = "initial-loop", f"initial values need each other: {path}"
        repair = "give a stock in it, or a delay, an initial value that does not depend on the others"
    elif len(circle) == 1:
        rule, reason = "self-reference", f"it needs its own value: {path}"
        repair = "make it a stock, or read its last value with PREVIOUS"
    else:
        rule, reason = "loop", f"equations need each other in the same moment: {path}"
        repair = "put a stock, a delay or a smooth into the loop"
    return error(rule, reason, repair, file=model.file, line=line or variable.line, element=variable.label)


@dataclass(slots=True)
class _Reading:
    """What each expression needs at once; macros are followed to the arguments their result depends on."""

    model: Model
    through: dict[tuple[str, bool], tuple[int, ...]] = field(default_factory=dict)

    def loops(self, section: Section, *, starting: bool) -> list[tuple[Node, ...]]:
        """The loops of a section, by variable, and by element where a variable in it is arrayed."""
        graph = self._graph(section, starting)
        effects = turned(graph)
        own = {variable.name: variable for variable in section.own}
        order = {name: number for number, name in enumerate(own)}
        found: list[tuple[Node, ...]] = []
        for component in components(effects):
            if len(component) == 1 and component[0] not in effects[component[0]]:
                continue
            members = {name: own[name] for name in sorted(component, key=order.__getitem__)}
            if any(variable.dimensions for variable in members.values()):
                inside = self._elements(members, starting)
                found.extend(circles(turned(inside)) if inside is not None else ())
            else:
                part = {name: [other for other in effects[name] if other in members] for name in members}
                found.extend(tuple((name, ()) for name in circle) for circle in circles(part))
        return found

    def _graph(self, section: Section, starting: bool) -> dict[str, dict[str, None]]:
        """For each variable those of the section that it needs at once."""
        graph: dict[str, dict[str, None]] = {variable.name: {} for variable in section.own}
        for variable in section.own:
            for _, expr in _needed(variable, starting):
                for ref, _ in self.reads(expr, starting):
                    if ref.name in graph:
                        graph[variable.name][ref.name] = None
        return graph

    def reads(self, expr: Expr, starting: bool) -> Iterator[tuple[Ref, Taking]]:
        """The references whose value an expression needs at once, each with how much of an array it stands for."""
        stack: list[tuple[Expr, Taking]] = [(expr, Taking.ELEMENT)]
        while stack:
            part, around = stack.pop()
            if isinstance(part, Ref):
                yield part, around
            if isinstance(part, Call):
                below = taking(part, around)
                stack.extend((part.args[at], below) for at in self._at_once(part, starting) if at < len(part.args))
            else:
                stack.extend((child, around) for child in children(part))

    def _at_once(self, call: Call, starting: bool) -> Iterable[int]:
        """The places of the arguments whose value a call needs to give its own."""
        every = range(len(call.args))
        if call.function in self.model.macros:
            return self._of_macro(self.model.macros[call.function], starting)
        row = builtins.find(call.function)
        if row is None or row.kind is not Kind.STATE:
            return every
        return row.at_once(len(call.args), starting=starting)

    def _of_macro(self, macro: Macro, starting: bool) -> tuple[int, ...]:
        """The arguments that a macro's result depends on at once."""
        key = (macro.name, starting)
        if key not in self.through:
            self.through[key] = ()  # a macro that calls itself is reported elsewhere
            needs: dict[str, set[str]] = {}
            for variable in macro.variables:
                found = needs.setdefault(variable.name, set())
                for _, expr in _needed(variable, starting):
                    found.update(ref.name for ref, _ in self.reads(expr, starting))
            reached, stack = {macro.result}, [macro.result]
            while stack:
                for name in needs.get(stack.pop(), ()):
                    if name not in reached:
                        reached.add(name)
                        stack.append(name)
            self.through[key] = tuple(at for at, name in enumerate(macro.parameters) if name in reached)
        return self.through[key]

    # --- elements

    def _elements(self, members: Mapping[str, Variable], starting: bool) -> dict[Node, dict[Node, None]] | None:
        """For each element of the members those it needs at once; None when that would be too many."""
        graph: dict[Node, dict[Node, None]] = {}
        steps = 0
        for variable in members.values():
            for equation, expr in _needed(variable, starting):
                refs = [item for item in self.reads(expr, starting) if item[0].name in members]
                for element in covered(self.model, variable, equation) if variable.dimensions else [()]:
                    needs = graph.setdefault((variable.name, element), {})
                    bound = _bound(self.model, variable, equation, element)
                    for ref, much in refs:
                        for other in product(*self._read_elements(ref, members[ref.name], bound, much)):
                            needs[(ref.name, other)] = None
                            steps += 1
                            if steps > LARGEST:
                                return None
        return {node: {other: None for other in needs if other in graph} for node, needs in graph.items()}

    def _read_elements(self, ref: Ref, variable: Variable, bound: list[tuple[Dimension, str]], much: Taking) -> Iterator[Element]:
        """For each dimension of what is read the elements that a reference means."""
        given: tuple[Expr | None, ...] = ref.subscripts or (None,) * len(variable.dimensions)
        starred = any(isinstance(subscript, Star) for subscript in given)
        for at, (name, subscript) in enumerate(zip(variable.dimensions, given, strict=False)):
            axis = self.model.dimensions[name]
            last = at == len(variable.dimensions) - 1
            if subscript is None and much is not Taking.WHOLE:
                subscript = Ref(name)
            if much is Taking.VECTOR and last and not starred:
                subscript = Star()
            yield _meant(self.model, axis, subscript, bound)


def _meant(model: Model, axis: Dimension, subscript: Expr | None, bound: list[tuple[Dimension, str]]) -> Element:
    """The elements of an axis that one subscript may mean."""
    if isinstance(subscript, Star):
        part = model.dimensions.get(subscript.dimension or "")
        found = correspondence(model, part, axis) if part else None
        return tuple(axis.elements[at] for at in found) if found else axis.elements
    if isinstance(subscript, Number) and subscript.value == int(subscript.value):
        at = int(subscript.value) - 1
        return (axis.elements[at],) if 0 <= at < len(axis.elements) else axis.elements
    if not isinstance(subscript, Ref) or subscript.subscripts:
        return axis.elements
    at_element = named_element(axis, subscript.name)
    if at_element is not None:
        return (axis.elements[at_element],)
    dimension = model.dimensions.get(subscript.name)
    if dimension is None:
        return axis.elements
    for outer, element in bound:
        found = correspondence(model, outer, axis) if outer.name == dimension.name else None
        if found:
            return (axis.elements[found[outer.elements.index(element)]],)
    for outer, element in bound:
        via, along = positions(outer, dimension), positions(dimension, axis)
        if via and along:
            return (axis.elements[along[via[outer.elements.index(element)]]],)
    return axis.elements


def _bound(model: Model, variable: Variable, equation: Equation, element: Element) -> list[tuple[Dimension, str]]:
    """The dimensions that a left side runs over, each with the element it is at."""
    bound = []
    for side, name, chosen in zip(equation.subscripts or variable.dimensions, variable.dimensions, element, strict=False):
        axis, dimension = model.dimensions[name], model.dimensions.get(side)
        if side in axis.elements or dimension is None:
            continue
        found = positions(dimension, axis) or ()
        at = axis.elements.index(chosen)
        if at in found:
            bound.append((dimension, dimension.elements[found.index(at)]))
    return bound


def _needed(variable: Variable, starting: bool) -> Iterator[tuple[Equation, Expr]]:
    """The expressions that give a variable its value at once: none for a stock, but its initial value at the start."""
    if variable.role in (Role.LOOKUP, Role.PARAMETER) or (variable.role is Role.STOCK and not starting):
        return
    for equation in variable.equations:
        expr = equation.initial if starting and equation.initial is not None else equation.expr
        if expr is not None:
            yield equation, expr
