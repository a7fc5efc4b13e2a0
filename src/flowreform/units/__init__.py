"""Units of measurement: XMILE's unit text to factors and dimensions, by pint and a unit file of our own.

The registry starts empty (in pint's own, `point`, `hand` and `stone` are lengths and masses) and holds what `units.txt`
says; every other name is a base unit of its own. pint answers once for each name; after that a unit is a factor and the
powers of base units, which multiply in a microsecond.

How text is read: case does not matter; a blank and an underscore are the same; `person/month`, `people per month`,
`1/month`, `USD/(bed*day)`, `m^2`, `bed-days` (a hyphen multiplies, before `/`). Words side by side are one name (`community
place`); only where each is known and all but one are numbers or times are they a product (`bed days`, `thousand GBP`). An
unknown name that ends in s is the plural of the one without it (`clinics`; `-ies` is `-y`; `-ches`, `-shes` and `-xes` lose
`es`; `-ss`, `-us` and `-is` stay).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from flowreform.model import Model
from flowreform.units.names import definitions, known, new_base
from flowreform.units.text import Reading
from flowreform.units.unit import COUNTS, NUMBER, Powers, Unit, UnitError, ratio


def parse_units(text: str, model: Model | None = None) -> Unit:
    """The unit that a text spells; with a model, its own units (`<model_units>`) are known too.

    Raises UnitError for text that cannot be read."""
    return reader(model)(text)


def factor(from_text: str, to_text: str, model: Model | None = None) -> float:
    """How many of the second unit make up one of the first.

    Raises ValueError, with a plain sentence, when they measure different things or cannot be read."""
    read = reader(model)
    found = ratio(read(from_text), read(to_text))
    if found is None:
        raise ValueError(
            f"{from_text.strip() or 'dimensionless'} and {to_text.strip() or 'dimensionless'} are different quantities"
        )
    return found


def same(one: Unit | str, other: Unit | str, model: Model | None = None) -> bool:
    """Are two units, or the units that two texts spell, the same, size included?

    Raises UnitError for text that cannot be read."""
    read = reader(model)
    units = [read(item) if isinstance(item, str) else item for item in (one, other)]
    return ratio(*units) == 1.0


def reader(model: Model | None = None) -> Callable[[str], Unit]:
    """A function from text to unit that knows a model's own units and remembers what it has read.

    The function raises UnitError for text that cannot be read."""
    own = definitions(model.unit_aliases if model else ())

    resolved: dict[str, Unit] = {}

    @cache
    def read(text: str) -> Unit:
        return Reading(own, resolved).text(text)

    return read


__all__ = [
    "COUNTS", "NUMBER", "Powers", "Unit", "UnitError", "factor", "known", "new_base", "parse_units", "ratio", "reader", "same",
]  # fmt: skip
