"""Every construct that has a spreadsheet form, recalculated by IronCalc from a file whose cached values are taken away."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from building import auxiliary, flow, model, parameter, stock, variable
from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.errors import ModelError
from flowreform.experiment import experiment_of
from flowreform.export.workbook import printer
from flowreform.model import Conveyor, Dimension, Equation, Lookup, LookupKind, Method, Model, Number, Ref, Role
from workbooks import Sheet, worst

ROWS = [row for row in builtins.BUILTINS.values() if row.kind in (Kind.PURE, Kind.TIMED)]

# Arguments of each built-in: expressions of x, which runs from -4.75 to 5 in quarters, and of p, a parameter of 1.7.
ARGUMENTS = {
    "exp": "x", "ln": "x + 6", "log10": "x + 6", "sqrt": "x + 6", "arcsin": "x/6", "arccos": "x/6", "min": "x, p", "max": "x, p",
    "modulo": "x, p", "quantum": "x, p", "xidz": "x, x - p, 7", "divide": "x, x + 20", "power": "x + 6, p",
    "safediv": "x, x - 0.25, 9", "step": "p, 1", "ramp": "p, 1, 7.5", "pulse": "p, 2, 1.5", "pulse_width": "2, p",
    "pulse_train": "1, 0.5, 2, 8", "gamma_ln": "x + 6",
}  # fmt: skip

# name -> equations on x, p, and the stock s: what spreadsheets read otherwise.
EXPRESSIONS = {
    "minus_squared": "-x^2",
    "minus_power": "-(x^2)",
    "power_of_minus": "(-x)^2",
    "minus_minus": "x - -p",
    "power_right": "2^(x/3)^2",
    "minus_in_power": "2^-x",
    "differences": "x - (p - (x - 2))",
    "quotients": "x/(p/(x + 20))",
    "mixed": "(x + p)*(x - p)/(x*x + 1) - -x*p",
    "condition": "IF x > p THEN x ELSE -p",
    "condition_as_number": "(x > p) + 2*(x <= p) + 4*(x <> 0.25)",
    "and_or_not": "IF (x > 0 AND x < 3) OR NOT (x >= -2) THEN 1 ELSE p",
    "truth_of_number": "IF x THEN 1 ELSE 2",
    "nested": "IF x > 0 THEN (IF x > 2 THEN 3 ELSE 2) ELSE (IF x < -2 THEN -3 ELSE -2)",
    "remainder_of_negative": "x MOD 1.5",
    "round_half": "ROUND(x*2)",
    "large_and_small": "x*1e15 + p*1e-12",
    "time_read": "TIME*TIME - TIME",
}

STATES = {
    "delay1": "DELAY1(x, 2)",
    "delay3": "DELAY3(x, 3, 1)",
    "smooth": "SMTH3(x, 2)",
    "trend": "TREND(x + 10, 2)",
    "forecast": "FORECAST(x + 10, 2, 3)",
    "fixed": "DELAY_FIXED(x, 1.1, 4)",
    "delay": "DELAY(x, 2)",
    "previous": "PREVIOUS(x, 3)",
    "sample": "SAMPLE_IF_TRUE(x > p, x, 8)",
    "initial": "INIT(x) + x",
}


def base(*more: object, **changes: object) -> Model:
    """x runs with time, p is a parameter, s a stock."""
    variables = [
        auxiliary("x", "TIME - 4.75"),
        parameter("p", 1.7),
        stock("s", "10", ("into",), ("out_of",)),
        flow("into", "x*x/10"),
        flow("out_of", "s/p"),
        *more,
    ]
    return model(variables, **{"stop": 9.75, **changes})  # type: ignore[arg-type]


def recalculated(made: Model, folder: Path) -> float:
    """The largest difference between the sheet and the engine, after recalculation from nothing."""
    path = folder / "model.xlsx"
    fr.to_xlsx(made, path)
    emptied = folder / "emptied.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(emptied, "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename.startswith("xl/worksheets/sheet"):
                data = re.sub(rb"</f><v>[^<]*</v>", b"</f><v>0</v>", data)
            new.writestr(item, data)
    sheet = Sheet(emptied)
    sheet.evaluate()
    got = sheet.engine()
    ds = fr.simulate(made, save_every=made.specs.dt)
    wanted = {}
    for name in ds.data_vars:
        if "time" not in ds[name].dims:
            continue
        values = ds[name].isel(run=0).transpose("time", ...).values
        for place in np.ndindex(values.shape[1:]):
            elements = [made.dimensions[d].elements[i] for d, i in zip(made.variables[name].dimensions, place, strict=True)]
            wanted[f"{name}[{','.join(elements)}]" if elements else str(name)] = values[(slice(None), *place)]
    assert len(got.keys() & wanted.keys()) > 2
    assert sheet.value("Checks", "C5") == "OK"
    return worst(got, wanted)[0]


def test_every_built_in_has_a_form_or_is_refused_by_name(tmp_path: Path) -> None:
    for row in ROWS:
        if not row.excel:
            arguments = ", ".join(["p"] * row.least)
            with pytest.raises(ModelError, match=f"{row.name.upper()} has no form in a spreadsheet"):
                fr.to_xlsx(base(auxiliary("y", f"{row.name}({arguments})")), tmp_path / "no.xlsx")
            assert not (tmp_path / "no.xlsx").exists()


def test_built_ins(tmp_path: Path) -> None:
    made = [auxiliary(f"y_{row.name}", f"{row.name}({ARGUMENTS.get(row.name, 'x')})") for row in ROWS if row.excel]
    assert recalculated(base(*made), tmp_path) <= 1e-12


def test_expressions_that_spreadsheets_read_otherwise(tmp_path: Path) -> None:
    made = [auxiliary(f"e_{name}", text) for name, text in EXPRESSIONS.items()]
    assert recalculated(base(*made), tmp_path) <= 1e-12


FORMS = {
    "future": "FV(x / 50 + 0.1, 12, -p, s)",
    "present": "PV(x / 50 + 0.1, p, 3, x)",
    "payment": "PMT(x / 50 + 0.1, 24, s, 0)",
    "without_interest": "FV(0, p, x, 4) + PMT(0, p, x, 4)",
    "growth": "CGROWTH(x)",
    "between": "INTERPOLATE(beds, x / 4)",
    "area": "LOOKUP_AREA(graph, -p, x)",
    "area_so_far": "LOOKUPAREA(graph, x)",
    "slope_flat": "LOOKUP_SLOPE(graph, x, 0)",
    "slope_on": "LOOKUP_SLOPE(graph, x, 1)",
    "area_either_way": "LOOKUPAREA(graph, x, -p)",
}


def test_forms_of_other_functions(tmp_path: Path) -> None:
    graph = variable("graph", Role.AUXILIARY, "x", lookup=Lookup((-2.0, 0.5, 1.0, 3.0), (1.0, 4.0, -2.0, 7.0)))
    ward = Dimension("ward", "ward", ("red", "green", "blue"))
    made = [auxiliary(f"f_{name}", text) for name, text in FORMS.items()]
    beds = auxiliary("beds", "ward * x - 3", dimensions=("ward",))
    assert recalculated(base(graph, beds, *made, dimensions=[ward]), tmp_path) <= 1e-12


@pytest.mark.parametrize("dt", [0.25, 0.1])
def test_functions_with_a_memory(tmp_path: Path, dt: float) -> None:
    made = [auxiliary(f"m_{name}", text) for name, text in STATES.items()]
    assert recalculated(base(*made, dt=dt, stop=9.5), tmp_path) <= 1e-9


def test_lookups_stocks_and_arrays(tmp_path: Path) -> None:
    kinds = [
        variable(f"g_{kind}", Role.AUXILIARY, "x", lookup=Lookup((-2.0, 0.5, 1.0, 3.0), (1.0, 4.0, -2.0, 7.0), kind))
        for kind in LookupKind
    ]
    size = Dimension("ward", "ward", ("red", "green", "blue"))
    arrays = [
        auxiliary("a", "x*p + TIME", dimensions=("ward",)),
        stock("held", "x + 3", ("rise",), dimensions=("ward",)),
        flow("rise", "a - held[red]/5", dimensions=("ward",)),
        auxiliary("all_of_it", "SUM(held[*]) + MEAN(a[*]) - MAX(held[*])*MIN(a[*])"),
        auxiliary("chosen", "held[INT(TIME) - 2*INT(TIME/2) + 1]"),
        auxiliary("of_a_sum", "s + p + g_continuous"),
        variable("read_at_a_sum", Role.AUXILIARY, "s + p - 6", lookup=Lookup((0.0, 2.0, 5.0), (0.0, 1.0, 9.0))),
        stock("floor", "1", ("fill",), ("drain", "second"), non_negative=True),
        flow("fill", "0.1 * SIN(TIME)"),
        flow("drain", "0.3"),
        flow("second", "0.2 * x"),
        stock("wards", "x + 3", (), ("leave",), dimensions=("ward",), non_negative=True),
        flow("leave", "a", dimensions=("ward",)),
    ]
    assert recalculated(base(*kinds, *arrays, dimensions=[size]), tmp_path) <= 1e-12


@pytest.mark.parametrize("length", [3.0, 1e9])
def test_a_conveyor_without_an_inflow(tmp_path: Path, length: float) -> None:
    belt = dataclasses.replace(stock("belt", "20", (), ("end_of_belt",)), conveyor=Conveyor(Number(length)))
    assert recalculated(base(belt, flow("end_of_belt", "0")), tmp_path) <= 1e-12


def test_conveyors(tmp_path: Path) -> None:
    belt = dataclasses.replace(stock("belt", "20", ("into_belt",), ("end_of_belt",)), conveyor=Conveyor(Number(2.0)))
    made = base(belt, flow("into_belt", "5 + x"), flow("end_of_belt", "belt/2"))
    assert recalculated(made, tmp_path) <= 1e-12


def test_folded_formulas_give_the_same(tmp_path: Path) -> None:
    chain = [auxiliary(f"c{i}", f"c{i - 1}*p - {i}/(s + 20) - (x - c{i - 1})" if i else "x - p") for i in range(8)]
    made = base(*chain, stock("kept", "1", ("last",)), flow("last", "c7/1000 - c6/900"))
    path = tmp_path / "folded.xlsx"
    written = fr.to_xlsx(made, path, room=40 * 7)
    assert written.columns < 10
    sheet = Sheet(path)
    sheet.evaluate()
    ds = fr.simulate(made, save_every=made.specs.dt)
    wanted = {name: ds[name].isel(run=0).values for name in ("s", "kept")}
    assert worst(sheet.engine(), wanted)[0] <= 1e-12


@pytest.mark.parametrize(
    "fault", ["minus", "modulo", "left", "floor"], ids=["unary minus", "Excel's MOD", "left operand", "no clamp"]
)
def test_a_compiler_with_a_broken_form_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    original = printer.FormulaPrinter._operate

    def broken(self: printer.FormulaPrinter, op: printer.Op) -> printer.Text:
        if fault == "minus" and op.name == "neg":
            return f"-{self.value(op.args[0])[0]}", 4  # -x^2 and x - -p lose their parentheses
        if fault == "modulo" and op.name == "modulo":
            return f"MOD({self.value(op.args[0])[0]},{self.value(op.args[1])[0]})", 9
        if fault == "left" and op.name == "-":
            return f"{self.value(op.args[0])[0]}-{self.value(op.args[1])[0]}", 4
        if fault == "floor" and op.name == "min":
            return self.value(op.args[0])
        return original(self, op)

    monkeypatch.setattr(printer.FormulaPrinter, "_operate", broken)
    equations = {"minus": "-(x + p)*2", "modulo": "x MOD 1.5", "left": "x - (p - x)", "floor": "MIN(x, p)"}
    made = base(auxiliary("y", equations[fault]))
    with pytest.raises(AssertionError):
        assert recalculated(made, tmp_path) <= 1e-9


@pytest.mark.parametrize("method", [Method.RK2, Method.RK4])
def test_looks_within_a_step_recalculate_to_what_the_engine_gives(tmp_path: Path, method: Method) -> None:
    y = auxiliary("y", "SIN(x) + STEP(1, 2) + RAMP(0.3, 1, 3) + SMTH3(x, 1)")
    assert recalculated(base(y, auxiliary("z", "MAX(y, x^2) + TIME"), method=method), tmp_path) <= 1e-9


def test_an_element_picked_among_some_that_move_within_a_step_is_refused(tmp_path: Path) -> None:
    size = Dimension("ward", "ward", ("red", "green"))
    mixed = auxiliary("a", "x", dimensions=("ward",))
    mixed = dataclasses.replace(
        mixed, equations=(Equation("x", Ref("x"), subscripts=("red",)), Equation("1", Number(1.0), subscripts=("green",)))
    )
    picked = auxiliary("picked", "a[1 + INT(MIN(1, x))]")
    with pytest.raises(ModelError, match="some elements that move within a step"):
        fr.to_xlsx(base(mixed, picked, dimensions=[size], method=Method.RK4), tmp_path / "no.xlsx")
    assert not list(tmp_path.iterdir())


def test_functions_of_whole_vectors_are_refused_by_name(tmp_path: Path) -> None:
    size = Dimension("ward", "ward", ("red", "green", "blue"))
    wanted = auxiliary("a", "x + 6", dimensions=("ward",))
    given = auxiliary("given", "ALLOCATE_BY_PRIORITY(a[ward], a[ward], 3, 1, p)", dimensions=("ward",))
    with pytest.raises(ModelError, match=r"given: .* has no form in a spreadsheet"):
        fr.to_xlsx(base(wanted, given, dimensions=[size]), tmp_path / "no.xlsx")
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_finite_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"y: it is not a finite number at time 4\.75"):
        fr.to_xlsx(base(auxiliary("y", "1/x")), tmp_path / "no.xlsx")
    assert not list(tmp_path.iterdir())


def test_parameters_of_an_experiment_of_a_model_can_be_read(tmp_path: Path) -> None:
    assert experiment_of(base()).draws == 1
    fr.to_xlsx(base(), tmp_path / "plain.xlsx")
    sheet = Sheet(tmp_path / "plain.xlsx")
    assert sheet.inputs() == {"p": "C8"}
