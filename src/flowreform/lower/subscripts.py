"""Subscripts: which slots of an arrayed variable an equation means."""

from __future__ import annotations

from flowreform.builtins import find
from flowreform.errors import shorten
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Dimension, Expr, Model, Number, Ref, Star
from flowreform.program import Code, Pick, Place, Term


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides: the last dimension runs fastest."""
    result, stride = [], 1
    for size in reversed(shape):
        result.append(stride)
        stride *= size
    return tuple(reversed(result))


def positions(inner: Dimension, axis: Dimension) -> tuple[int, ...] | None:
    """Where the elements of `inner` stand along `axis`: by name, else by a mapping, else None."""
    if inner.elements == axis.elements:
        return tuple(range(len(axis.elements)))
    where = {element: i for i, element in enumerate(axis.elements)}
    if all(element in where for element in inner.elements):
        return tuple(where[element] for element in inner.elements)
    # A mapping lists, for each element of its own dimension in order, the element of the other that it stands for.
    for other, mapped in inner.mappings:
        if other == axis.name and len(mapped) == len(inner.elements) and all(element in where for element in mapped):
            return tuple(where[element] for element in mapped)
    for other, mapped in axis.mappings:
        if other == inner.name and len(mapped) == len(axis.elements) and all(element in mapped for element in inner.elements):
            return tuple(mapped.index(element) for element in inner.elements)
    return None


def term(builder: Builder, run: Running, axis: Dimension, stride: int) -> tuple[int, Term] | None:
    """Offset and loop term of a loop used as a subscript along an axis; None when the two do not correspond."""
    found = positions(run.dimension, axis)
    if found is None and run.dimension.name != axis.name:
        # Vensim lets a subrange stand for the dimension its parent maps to.
        parent = builder.model.dimensions.get(run.dimension.parent or "")
        outer = positions(parent, axis) if parent else None
        if parent and outer:
            inner = positions(run.dimension, parent)
            found = tuple(outer[i] for i in inner) if inner else None
    if found is None:
        return None
    first = found[0]
    if found == tuple(range(first, first + len(found))):
        return first * stride, Term(run.loop.number, stride)
    return 0, Term(run.loop.number, stride, found)


def running(builder: Builder, scope: Scope, dimension: Dimension, axis: Dimension, stride: int) -> tuple[int, Term]:
    """The loop that a dimension's name means here, as offset and term along an axis. Raises Fault when none does."""
    for run in scope.running:
        if run.dimension.name == dimension.name:
            found = term(builder, run, axis, stride)
            if found:
                return found
    for run in scope.running:  # a mapped, parent or child dimension of the one named
        via, along = positions(run.dimension, dimension), positions(dimension, axis)
        if run.dimension.name != dimension.name and via and along:
            return 0, Term(run.loop.number, stride, tuple(along[i] for i in via))
    raise Fault(
        f"dimension {dimension.label} is used as a subscript, but the equation does not run over it",
        "name one element, reduce with SUM or MEAN, or give the variable that dimension",
    )


def element(axis: Dimension, subscript: Expr) -> int | None:
    """The position of an element named (or numbered) along an axis; None when it is no element of it."""
    if isinstance(subscript, Ref) and not subscript.subscripts:
        name = subscript.name
        if name in axis.elements:
            return axis.elements.index(name)
        prefix = axis.name + "."
        if name.startswith(prefix) and name[len(prefix) :] in axis.elements:
            return axis.elements.index(name[len(prefix) :])
    if isinstance(subscript, Number):
        if str(int(subscript.value)) in axis.elements and subscript.value == int(subscript.value):
            return axis.elements.index(str(int(subscript.value)))
        if subscript.value != int(subscript.value) or not 1 <= subscript.value <= len(axis.elements):
            raise Fault(f"{subscript.value:g} is no element of dimension {axis.label}", f"it has {len(axis.elements)} elements")
        return int(subscript.value) - 1
    return None


def also_dimension(model: Model, axis: Dimension, name: str) -> str | None:
    """Why a subscript cannot be told: it names an element of the axis, and as well a dimension that could run along it."""
    other = model.dimensions.get(name)
    if other is None or name not in axis.elements or positions(other, axis) is None:
        return None
    return f"{shorten(name)} may mean the dimension {other.label} or the element of that name of {axis.label}"


RENAME = "give one of them another name: capitals do not tell names apart"


def star_dimension(builder: Builder, star: Star, axis: Dimension) -> Dimension:
    """The dimension a star runs over: the axis, or the subrange named."""
    if star.dimension is None:
        return axis
    found = builder.model.dimensions.get(star.dimension)
    if found is None:
        hint = builder.near(star.dimension, builder.model.dimensions)
        raise Fault(f"there is no dimension {star.dimension}", hint)
    return found


def locate(builder: Builder, scope: Scope, ref: Ref, place: Place) -> tuple[int, tuple[Term, ...], tuple[Pick, ...]]:
    """First slot, loop terms and running subscripts of a reference."""
    dimensions = [builder.model.dimensions[name] for name in place.dimensions]
    given: tuple[Expr | None, ...] = ref.subscripts or (None,) * len(dimensions)
    if len(given) != len(dimensions):
        raise Fault(
            f"{ref.name} has {len(dimensions)} dimension{'s' * (len(dimensions) != 1)}"
            f" ({', '.join(place.dimensions) or 'none'}) and is given {len(given)} subscript{'s' * (len(given) != 1)}",
            "one subscript per dimension",
            ref.column,
        )
    base, terms, picks = place.base, [], []
    named: dict[str, int] = {}
    for axis, stride, subscript in zip(dimensions, strides(place.shape), given, strict=True):
        if subscript is None and scope.stars is not None:
            subscript = Star()
        if subscript is None:
            offset, term = _implied(builder, scope, ref, axis, stride)
        elif isinstance(subscript, Star):
            offset, term = _starred(builder, scope, subscript, axis, stride, named)
        else:
            position = element(axis, subscript)
            if isinstance(subscript, Ref) and (unclear := also_dimension(builder.model, axis, subscript.name)):
                raise Fault(unclear, RENAME, subscript.column)
            if position is not None:
                base += position * stride
                continue
            dimension = builder.model.dimensions.get(subscript.name) if isinstance(subscript, Ref) else None
            if dimension is None or (isinstance(subscript, Ref) and subscript.name in builder.places):
                picks.append(Pick(_index(builder, scope, axis, subscript), stride, len(axis.elements)))
                continue
            try:
                offset, term = running(builder, scope, dimension, axis, stride)
            except Fault:
                if scope.stars is None:
                    raise
                # MIN(x[d]) where the equation does not run over d: the dimension's name means all of it.
                offset, term = _starred(builder, scope, Star(dimension.name), axis, stride, named)
        base += offset
        terms.append(term)
    return base, tuple(terms), tuple(picks)


def _implied(builder: Builder, scope: Scope, ref: Ref, axis: Dimension, stride: int) -> tuple[int, Term]:
    """The loop meant by an arrayed variable without brackets: the equation runs over the same dimension."""
    try:
        return running(builder, scope, axis, axis, stride)
    except Fault:
        raise Fault(
            f"{ref.name} is arrayed over {axis.label}, and the equation is not",
            f"name an element ({ref.name}[{axis.elements[0]}]), reduce it with SUM, or give the variable that dimension",
            ref.column,
        ) from None


def _starred(builder: Builder, scope: Scope, star: Star, axis: Dimension, stride: int, named: dict[str, int]) -> tuple[int, Term]:
    if scope.stars is None:
        raise Fault("a whole dimension stands where a number is wanted", "reduce it with SUM, MEAN, MIN, MAX or PROD")
    dimension = star_dimension(builder, star, axis)
    occurrence = named.get(dimension.name, 0)
    named[dimension.name] = occurrence + (star.dimension is None)
    key = (dimension.name, occurrence)
    if key not in scope.stars:
        scope.stars[key] = Running(builder.loop(len(dimension.elements)), dimension)
    found = term(builder, scope.stars[key], axis, stride)
    if found is None:
        raise Fault(f"dimension {dimension.label} does not fit where {axis.label} is wanted")
    return found


def _index(builder: Builder, scope: Scope, axis: Dimension, subscript: Expr) -> Code:
    if isinstance(subscript, Ref) and subscript.name not in builder.places and find(subscript.name) is None:
        hint = builder.near(subscript.name, (*axis.elements, *builder.model.dimensions))
        raise Fault(f"{subscript.name} is no element of dimension {axis.label} and no variable", hint, subscript.column)
    return builder.value(scope, subscript)
