"""Running a model file through PySD, the other tool that reads XMILE and Vensim files.

PySD writes Python beside the model it reads, so it is given a copy under a fixed name in a temporary folder, together with
those data files that the model names inside its own folder. It also builds Python from the model's text and runs it: call
this only for a file whose user has asked for PySD, or that is bundled.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowreform.errors import ExperimentError, ModelError, did_you_mean, error, one_line
from flowreform.files import temporary_folder
from flowreform.formats.vensim import read_vensim
from flowreform.formats.vensim_data import locate
from flowreform.formats.vensim_equations import Unreadable
from flowreform.model import Method, Model, SimSpecs, canonical
from flowreform.names import elements_of, split

if TYPE_CHECKING:
    import numpy as np

_XMILE = {".xmile", ".stmx", ".xml", ".itmx"}
_NAMED_FILE = re.compile(r"'([^'\r\n]{1,255})'|\"([^\"\r\n]{1,255})\"")
_DATA = {".csv", ".tab", ".txt", ".xls", ".xlsx", ".xlsm", ".xlsb", ".ods"}
FAULTS: tuple[type[Exception], ...] = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, SyntaxError, NameError, ImportError,
    OSError, AssertionError, Warning,
)  # fmt: skip
"""What another tool may raise over a model it cannot run."""
_DEPRECATED = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


class PysdRun(NamedTuple):
    """What another tool gave: `times` float64[time] and `values` float64[*elements, time, run] by canonical name."""

    times: np.ndarray
    values: dict[str, np.ndarray]


def run_pysd(
    path: Path,
    inputs: Mapping[str, float | np.ndarray],
    save: Sequence[str] | None = None,
    *,
    model: Model | None = None,
    specs: SimSpecs | None = None,
    note: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PysdRun:
    """Run a model file through PySD, once for each run of the batch.

    `inputs` maps parameters, or single elements of them (`beds[acute]`), to a number or to one number for each run; there
    are as many runs as the longest has. `save` names the variables wanted, None all of them. With `model` the elements
    stand in its order. `specs` are start, stop, dt and saving interval, by default those of `model`, else the file's.
    `note` is told each warning of PySD once.

    Raises ModelError where PySD cannot read or run the file, ExperimentError for a name it does not know."""
    import numpy as np

    if model is None and path.suffix.lower() == ".mdl":
        read_vensim(path)  # PySD would open whatever file the model names; the reader refuses those outside its folder
    count = run_count(inputs)
    specs = specs or (model.specs if model else None)
    if specs and specs.method is not Method.EULER:
        reason = f"PySD integrates with Euler's method only, and the model asks for {specs.method.upper()}"
        raise ModelError(error("pysd", reason, "use --engine auto, or method Euler", file=str(path), line=specs.line))
    horizon = _horizon(specs) if specs else {}
    with temporary_folder() as folder, _listening() as heard:
        opened = _open(path, folder)
        if specs:  # the one way to start elsewhere that also works out the initial values there
            opened.components._control_vars["initial_time"] = lambda: specs.start
        names = {canonical(str(real)): str(py) for real, py in zip(opened.doc["Real Name"], opened.doc["Py Name"], strict=True)}
        wanted = _wanted(opened, names, save, path)
        inputs = {canonical_input(name): value for name, value in inputs.items()}
        for name in inputs:
            _known(split(name)[0], names, path)
        gathered: list[dict[str, np.ndarray]] = []
        times = np.empty(0)
        for run in range(count):
            parameters = _parameters(opened, names, inputs, run)
            try:
                frame = opened.run(params=parameters, return_columns=list(wanted.values()), flatten_output=False, **horizon)
            except FAULTS as fault:
                raise _cannot(path, "run", fault) from fault
            times = np.asarray(frame.index, dtype=float)
            gathered.append(
                {name: _series(frame[column], name, model) for name, column in zip(wanted, frame.columns, strict=True)}
            )
            if progress:
                progress(run + 1, count)
    if note:
        for text in dict.fromkeys(
            one_line(str(item.message), 200) for item in heard if not issubclass(item.category, _DEPRECATED)
        ):
            note(text)
    return PysdRun(times, {name: np.stack([one[name] for one in gathered], axis=-1) for name in wanted})


def run_count(inputs: Mapping[str, float | np.ndarray]) -> int:
    """The number of runs: the length of the longest input, 1 without any.

    Raises ValueError where two inputs have different numbers of runs."""
    import numpy as np

    counts = {np.shape(value)[-1] for value in inputs.values() if np.ndim(value)} - {1}
    if len(counts) > 1:
        raise ValueError(f"inputs have different numbers of runs: {sorted(counts)}")
    return counts.pop() if counts else 1


def of_run(value: float | np.ndarray, run: int) -> float:
    """The value of an input in one run."""
    import numpy as np

    return float(value) if np.ndim(value) == 0 else float(np.asarray(value)[..., run if np.shape(value)[-1] > 1 else 0])


def canonical_input(name: str) -> str:
    """A parameter's name, or an element's, in one spelling."""
    base, elements = split(name)
    return f"{base}[{','.join(elements)}]" if elements else base


@contextmanager
def _listening() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings are collected, not printed."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield heard


def _open(path: Path, folder: Path) -> Any:
    """PySD's model of a copy of the file. Raises ModelError."""
    import pysd

    is_xmile = path.suffix.lower() in _XMILE
    copy = folder / ("model.xmile" if is_xmile else "model.mdl")
    try:
        shutil.copyfile(path, copy)
        _copy_data(path, folder)
        return pysd.read_xmile(str(copy)) if is_xmile else pysd.read_vensim(str(copy))
    except (*FAULTS, *_parse_errors()) as fault:
        raise _cannot(path, "read", fault) from fault


def _parse_errors() -> tuple[type[Exception], ...]:
    from lxml.etree import XMLSyntaxError
    from parsimonious.exceptions import ParsimoniousError  # type: ignore[import-untyped]

    return XMLSyntaxError, ParsimoniousError


def _copy_data(path: Path, folder: Path) -> None:
    """Copy the data files that the model names, if they lie in its folder."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    for found in _NAMED_FILE.finditer(text):
        name = found.group(1) or found.group(2)
        if Path(name).suffix.lower() not in _DATA:
            continue
        try:
            source = locate(path.parent, name)
        except Unreadable:  # outside the model's folder or not there: PySD will say so itself
            continue
        target = folder / source.relative_to(path.parent.resolve())
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _cannot(path: Path, verb: str, fault: BaseException) -> ModelError:
    reason = f"PySD cannot {verb} this model: {one_line(str(fault), 200) or type(fault).__name__}"
    return ModelError(error("pysd", reason, "run it with --engine auto", file=str(path)))


def _known(name: str, names: Mapping[str, str], path: Path) -> str:
    if name not in names:
        repair = did_you_mean(name, names) or "`flowreform show` lists what the model has"
        raise ExperimentError(
            error("unknown-variable", "PySD finds no such variable in the model", repair, file=str(path), element=name)
        )
    return names[name]


def _wanted(opened: Any, names: Mapping[str, str], save: Sequence[str] | None, path: Path) -> dict[str, str]:
    """The variables to return, as canonical name -> PySD's name."""
    if save is not None:
        return {canonical(name): _known(canonical(name), names, path) for name in save}
    lookups = {
        canonical(str(real)) for real, kind in zip(opened.doc["Real Name"], opened.doc["Type"], strict=True) if kind == "Lookup"
    }
    return {name: py for name, py in names.items() if name not in lookups and name != "time"}


def _parameters(opened: Any, names: Mapping[str, str], inputs: Mapping[str, float | np.ndarray], run: int) -> dict[str, Any]:
    """What `Model.run` is told to set; elements are set inside a copy of the whole array."""
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        base, elements = split(name)
        py = names[base]
        if not elements:
            given[py] = of_run(value, run)
            continue
        array = given[py] if py in given and hasattr(given[py], "dims") else opened[py].copy().astype(float)
        place = {dim: _label(array.coords[dim].values, element) for dim, element in zip(array.dims, elements, strict=True)}
        array.loc[place] = of_run(value, run)
        given[py] = array
    return given


def _label(labels: Any, element: str) -> Any:
    """PySD's spelling of an element."""
    return next(label for label in labels if canonical(str(label)) == element)


def _horizon(specs: SimSpecs) -> dict[str, Any]:
    """The arguments of `Model.run` for a horizon; saved times are `start + n * interval`."""
    import numpy as np

    every = specs.save_every or specs.dt
    count = int(np.floor((specs.stop - specs.start) / every + 1e-9)) + 1
    return {
        "final_time": specs.stop,
        "time_step": specs.dt,
        "return_timestamps": specs.start + np.arange(count) * every,
    }


def _series(column: Any, name: str, model: Model | None) -> np.ndarray:
    """One column as float64[*elements, time], elements in the model's order."""
    import numpy as np

    first = column.iloc[0]
    if not hasattr(first, "dims"):
        return np.asarray(column, dtype=float)
    stacked = np.stack([np.asarray(item.values, dtype=float) for item in column], axis=-1)
    variable = model.variables.get(name) if model else None
    if model is None or variable is None:
        return stacked
    for axis, (dimension, theirs) in enumerate(zip(variable.dimensions, first.dims, strict=True)):
        where = {canonical(str(label)): place for place, label in enumerate(first.coords[theirs].values)}
        order = [where.get(element, -1) for element in elements_of(model, dimension)]
        padded = np.concatenate([stacked, np.full_like(stacked.take([0], axis=axis), np.nan)], axis=axis)
        stacked = padded.take(order, axis=axis)
    return stacked
