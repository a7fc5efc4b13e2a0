"""What a name of a unit means: by `units.txt`, by a model's own units, or a base unit of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.model import UnitAlias
from flowreform.units.unit import Unit

if TYPE_CHECKING:
    from pint import UnitRegistry


@cache
def _registry() -> UnitRegistry[Any]:
    """The registry, built once: nothing but `units.txt`."""
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(None, cache_folder=None)
    registry.load_definitions(Path(__file__).with_name("units.txt"))
    return registry


@lru_cache(maxsize=4096)
def known(name: str) -> Unit | None:
    """The unit that `units.txt` gives a name (in lower case, its words joined by underscores), or None."""
    registry = _registry()
    found = registry.parse_unit_name(name)
    if not found:
        return None
    from pint.util import UnitsContainer, to_units_container

    prefix, base, _ = found[0]
    whole = prefix + base
    found_size, roots = registry.get_root_units(UnitsContainer({whole: 1}))
    size = float(str(found_size))
    powers = tuple(sorted((root, float(str(power))) for root, power in to_units_container(roots).items()))
    shown = ((("k" if prefix else "") + base, 1.0),) if powers or size != 1.0 else ()
    return Unit(size, powers, shown)


def new_base(name: str) -> Unit:
    """A unit of its own, under the singular of a name."""
    name = singular(name)
    return Unit(1.0, ((name, 1.0),), ((name, 1.0),))


def singular(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("ches", "shes", "xes")):
        return name[:-2]
    if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 2:
        return name[:-1]
    return name


def normal(text: str) -> str:
    return "_".join(text.replace("_", " ").casefold().split())


def definitions(aliases: Iterable[UnitAlias]) -> Mapping[str, str | Unit]:
    """A model's own units by normal name: what it says they are, as text to read or as a unit."""
    found: dict[str, str | Unit] = {}
    for alias in aliases:
        spellings = [name for name in map(normal, (alias.name, *alias.aliases)) if name]
        if not spellings:
            continue
        meaning: str | Unit = alias.equation.strip()
        if not meaning or normal(str(meaning)) in spellings:
            meaning = next((unit for name in spellings if (unit := known(name))), None) or new_base(spellings[0])
        for name in spellings:
            found.setdefault(name, meaning)
        for name in spellings:
            found.setdefault(singular(name), meaning)
    return found
