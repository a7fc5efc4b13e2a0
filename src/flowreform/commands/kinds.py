"""The kinds of file that `export` writes: one row each, with its suffixes, the options that it takes, and what writes it.

The command's help, the refusal of options that mean nothing, and the choice of a writer come from this table. It imports nothing
heavy, so that `--help` answers at once; the writers are in `commands/export.py`, under the name that a row gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flowreform.errors import ExperimentError, Finding, did_you_mean, error


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind: `what` is written, under which `suffixes`, by which function of `commands/export.py`.

    `chosen_by` are the options that ask for it, `takes` those it understands besides; both without their dashes."""

    what: str
    suffixes: tuple[str, ...]
    writer: str
    chosen_by: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


KINDS = (
    FileKind("the model with its scenarios as a workbook of formulas", (".xlsx",), "live", takes=("scenario", "dt")),
    FileKind("results as a workbook of values", (".xlsx",), "values", chosen_by=("values",)),
    FileKind("yearly results in cells of your own workbook", (".xlsx", ".xlsm"), "template", chosen_by=("template", "map")),
    FileKind("a sheet of yearly values in your own workbook", (".xlsx", ".xlsm"), "into", chosen_by=("into",), takes=("sheet",)),
    FileKind("results as a tidy table", (".csv",), "tidy_csv"),
    FileKind("KPIs, a row for every run", (".csv",), "kpis_csv", chosen_by=("kpis",)),
    FileKind("results as a tidy table", (".parquet",), "tidy_parquet"),
    FileKind("KPIs, a row for every run", (".parquet",), "kpis_parquet", chosen_by=("kpis",)),
    FileKind("the whole Dataset as netCDF", (".nc",), "netcdf"),
    FileKind("the model as XMILE", (".xmile", ".stmx", ".xml"), "xmile"),
)


def suffixes(kinds: Iterable[FileKind] = KINDS) -> tuple[str, ...]:
    """Every suffix, in the order of the table."""
    return tuple(dict.fromkeys(suffix for kind in kinds for suffix in kind.suffixes))


def taking(option: str) -> str:
    """The suffixes of the kinds that take an option, for people: ".csv, .parquet"."""
    return ", ".join(suffixes(kind for kind in KINDS if option in (*kind.chosen_by, *kind.takes)))


def kind_of(suffix: str, given: Collection[str], file: str) -> FileKind:
    """The kind that a suffix and the options given mean.

    Raises ExperimentError, with a finding for each fault, for a suffix that nothing is written as, an option that the kind does
    not take, and one that needs another."""
    known = suffixes()
    if suffix not in known:
        hint = did_you_mean(suffix, known) or f"give it a name that ends in {', '.join(known)}"
        raise ExperimentError(error("unknown-format", f'nothing is written as "{suffix or file}"', hint, file=file))
    chosen = [kind for kind in KINDS if kind.chosen_by and set(kind.chosen_by) & set(given)]
    partly = next((kind for kind in chosen if not set(kind.chosen_by) <= set(given)), None)
    if partly is not None:
        missing = ", ".join(f"--{option}" for option in partly.chosen_by if option not in given)
        has = ", ".join(f"--{option}" for option in partly.chosen_by if option in given)
        raise ExperimentError(error("usage", f"{has} needs {missing}: {partly.what}", f"add {missing} FILE", file=file))
    fitting = [kind for kind in KINDS if suffix in kind.suffixes and set(kind.chosen_by) <= set(given)]
    if not fitting:
        only = next(kind for kind in KINDS if suffix in kind.suffixes)
        needed = " and ".join(f"--{option}" for option in only.chosen_by)
        raise ExperimentError(error("usage", f"{suffix} is for {only.what}", f"add {needed}, or write .xlsx", file=file))
    kind = max(fitting, key=lambda item: len(item.chosen_by))
    wrong = [_refusal(option, kind, file) for option in given if option not in (*kind.chosen_by, *kind.takes)]
    if wrong:
        raise ExperimentError(wrong)
    return kind


def _refusal(option: str, kind: FileKind, file: str) -> Finding:
    others = [item for item in KINDS if option in (*item.chosen_by, *item.takes)]
    purposes = " or ".join(dict.fromkeys(item.what for item in others))
    reason = f"--{option} is for {taking(option)} ({purposes}), and this is {kind.what}"
    return error("usage", reason, f"leave --{option} out", file=file)
