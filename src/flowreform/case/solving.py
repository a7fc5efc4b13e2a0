"""The arithmetic of a form: what a system's counts give the parameters of the model, and whether the start adds up.

Flat tables and plain loops, so that one text serves twice: `experiment.system` calls these functions, and the page that is a form
has them printed as JavaScript (`engine.javascript.printed`). A number that is not there is NaN; a bound that is not there is
infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.arithmetic import INFINITY, NAN

if TYPE_CHECKING:
    from flowreform.case.form import Form, Product

BLANK, SETS, COMPARED, SHORT, OUTSIDE, IMPOSSIBLE, SOLVED = range(7)
"""What came of a field: left blank; gives numbers to parameters; counts what others count; is less than its parts together;
takes a parameter out of its range; is blank and would have to be out of its range; is blank and decided by others."""


@dataclass(frozen=True)
class Products:
    """`factor` times the numbers in `of`, over those in `over`: those of product p
    stand from `of_at[p]` to before `of_at[p + 1]`."""

    factor: list[float]
    of: list[int]
    of_at: list[int]
    over: list[int]
    over_at: list[int]


@dataclass(frozen=True)
class FormTables:
    """A form as numbers. Product f is that of field f; those of the rules for blanks follow.

    `parts` are the parameters of each field, `each` whether every one of them is what was entered; `order` is that in which
    entries are taken; `scalers` are the fields that others scale with, `scale` the place of a field's own in it, or -1.
    `extensive` are parameters that no field gives, and which grow with `extensive_with`. `rule` is 1 for the largest and 2 for
    the smallest of the products from `rule_at[f]` on, with `rule_own` of the field's own number, too."""

    count: int
    typed: int
    products: Products
    parts: list[int]
    parts_at: list[int]
    each: list[int]
    order: list[int]
    scalers: list[int]
    many_scalers: int
    scale: list[int]
    extensive: list[int]
    many_extensive: int
    extensive_with: int
    rule: list[int]
    rule_own: list[int]
    rule_at: list[int]
    low: list[float]
    high: list[float]


def product(products: Products, values: Sequence[float], p: int) -> float:
    """Product `p`; infinite over zero."""
    found = products.factor[p]
    for j in range(products.of_at[p], products.of_at[p + 1]):
        found = found * values[products.of[j]]
    for j in range(products.over_at[p], products.over_at[p + 1]):
        if values[products.over[j]] == 0.0:
            return INFINITY
        found = found / values[products.over[j]]
    return found


def counted(form: FormTables, values: Sequence[float], f: int) -> float:
    """What a person would have counted for field `f` where parameters have these values; NaN for what is only compared."""
    first = form.parts_at[f]
    last = form.parts_at[f + 1]
    if first == last:
        return NAN
    total = 0.0
    for j in range(first, last):
        total = total + values[form.parts[j]]
    if form.each[f] == 1:
        total = total / (last - first)
    rest = form.products.factor[f]
    divides = 0
    for j in range(form.products.of_at[f], form.products.of_at[f + 1]):
        if form.products.of[j] != form.typed:
            rest = rest * values[form.products.of[j]]
    for j in range(form.products.over_at[f], form.products.over_at[f + 1]):
        if form.products.over[j] == form.typed:
            divides = 1
        else:
            if values[form.products.over[j]] == 0.0:
                rest = INFINITY
            else:
                rest = rest / values[form.products.over[j]]
    if divides == 1:
        return rest / total if total != 0.0 else NAN
    return total / rest if rest != 0.0 else NAN


def solve(
    form: FormTables,
    national: Sequence[float],
    entered: Sequence[float],
    values: list[float],
    sizes: list[float],
    held: list[int],
    came: list[int],
    wanted: list[float],
) -> None:
    """The parameters of a system from what was entered, NaN for a blank field.

    Written are: `values`, one place longer than the parameters; how many times the national system it is, by scaler, in `sizes`;
    in `held` the number from 1 of the field that gave each parameter; in `came` what came of each field; in `wanted` what a blank
    field would have to be."""
    other = 1.0
    known = 0
    for k in range(form.many_scalers):
        own = counted(form, national, form.scalers[k])
        given = entered[form.scalers[k]]
        sizes[k] = NAN
        if given == given and own == own and own != 0.0:
            sizes[k] = given / own
            if known == 0:
                other = sizes[k]
            known = 1
    for k in range(form.many_scalers):
        if sizes[k] != sizes[k]:
            sizes[k] = other
    for i in range(form.typed):
        values[i] = national[i]
        held[i] = 0
    for f in range(form.count):
        if form.scale[f] >= 0:
            for j in range(form.parts_at[f], form.parts_at[f + 1]):
                values[form.parts[j]] = national[form.parts[j]] * sizes[form.scale[f]]
    for k in range(form.many_extensive):
        values[form.extensive[k]] = national[form.extensive[k]] * sizes[form.extensive_with]
    for k in range(form.count):
        f = form.order[k]
        came[f] = 0
        wanted[f] = NAN
        if entered[f] == entered[f]:
            first = form.parts_at[f]
            last = form.parts_at[f + 1]
            free = 0
            had = 0.0
            taken = 0.0
            least = INFINITY
            for j in range(first, last):
                i = form.parts[j]
                if held[i] == 0:
                    free = free + 1
                    had = had + values[i]
                    if values[i] < least:
                        least = values[i]
                else:
                    taken = taken + values[i]
            came[f] = 2
            if free > 0:
                came[f] = 1
                values[form.typed] = entered[f]
                target = product(form.products, values, f)
                left = target - taken
                if form.each[f] == 0 and left < 0.0 and least >= 0.0:
                    came[f] = 3
                else:
                    for j in range(first, last):
                        i = form.parts[j]
                        if held[i] == 0:
                            share = left / free
                            if form.each[f] == 1:
                                share = target
                            else:
                                if had != 0.0:
                                    share = left * values[i] / had
                            values[i] = share
                            held[i] = f + 1
                            if share < form.low[i] or share > form.high[i]:
                                came[f] = 4
    for f in range(form.count):
        if form.rule[f] != 0 and entered[f] != entered[f]:
            i = form.parts[form.parts_at[f]]
            best = -INFINITY if form.rule[f] == 1 else INFINITY
            if form.rule_own[f] == 1:
                best = values[i]
            for p in range(form.rule_at[f], form.rule_at[f + 1]):
                found = product(form.products, values, p)
                if form.rule[f] == 1:
                    if found > best:
                        best = found
                else:
                    if found < best:
                        best = found
            wanted[f] = best
            if best < form.low[i] or best > form.high[i]:
                came[f] = 5
            else:
                if best != values[i]:
                    values[i] = best
                    came[f] = 6


def off(value: float, other: float, at_least: float, at_most: float) -> float:
    """What is missing of a number that must lie within bounds and agree with another count of the same; 0 where nothing is.

    Two counts agree within half a per cent: the digits that people copy."""
    if value < at_least:
        return value - at_least
    if value > at_most:
        return value - at_most
    if abs(value - other) > 0.005 * abs(other):
        return value - other
    return 0.0


FUNCTIONS: tuple[Callable[..., object], ...] = (product, counted, solve, off)
"""What a page needs of this."""


# --- the tables ------------------------------------------------------------------------------------------------------


def products_of(items: Sequence[Product], places: dict[str, int]) -> Products:
    """Products over numbers that stand at these places."""
    of_at, over_at = [0], [0]
    of: list[int] = []
    over: list[int] = []
    for item in items:
        of += [places[name] for name in item.of]
        over += [places[name] for name in item.over]
        of_at.append(len(of))
        over_at.append(len(over))
    return Products([item.factor for item in items], of, of_at, over, over_at)


def tables_of(
    form: Form,
    names: Sequence[str],
    *,
    extensive: Sequence[str] = (),
    extensive_with: str = "",
    ranges: Sequence[tuple[float | None, float | None]] = (),
) -> FormTables:
    """A form whose parameters stand at the places that `names` gives them, with `ranges`; other names are left as they are."""
    fields = list(form.fields.values())
    places = {name: at for at, name in enumerate(names)} | {"value": len(names)}
    scalers = list(dict.fromkeys(item.scales_with for item in fields if item.scales_with))
    numbers = {item.name: at for at, item in enumerate(fields)}
    rules = [item.blank for item in fields]
    products = [item.sum for item in fields] + [part for rule in rules if rule for part in rule.parts]
    rule_at, parts_at = [len(fields)], [0]
    for rule, item in zip(rules, fields, strict=True):
        rule_at.append(rule_at[-1] + (len(rule.parts) if rule else 0))
        parts_at.append(parts_at[-1] + len(item.parameters))
    grows = extensive_with in scalers
    bounds = list(ranges) or [(None, None)] * len(names)
    return FormTables(
        count=len(fields), typed=len(names), products=products_of(products, places),
        parts=[places[name] for item in fields for name in item.parameters], parts_at=parts_at,
        each=[int(item.each) for item in fields],
        order=sorted(range(len(fields)), key=lambda f: fields[f].rank),
        scalers=[numbers[name] for name in scalers], many_scalers=len(scalers),
        scale=[scalers.index(item.scales_with) if item.scales_with else -1 for item in fields],
        extensive=[places[name] for name in extensive] if grows else [],
        many_extensive=len(extensive) if grows else 0,
        extensive_with=scalers.index(extensive_with) if grows else -1,
        rule=[(1 if rule.largest else 2) if rule else 0 for rule in rules],
        rule_own=[int(rule is not None and rule.own) for rule in rules], rule_at=rule_at,
        low=[-INFINITY if low is None else low for low, _ in bounds],
        high=[INFINITY if high is None else high for _, high in bounds],
    )  # fmt: skip
