"""Models written as XMILE: what is read back says the same, and other tools read it."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform import read_model, simulate
from flowreform.engine.reference import run_pysd
from flowreform.engine.witness import compare, run_simlin
from flowreform.errors import ExperimentError, ModelError
from flowreform.formats import bundled
from flowreform.formats.expressions import parse
from flowreform.formats.writer import number, plain, spell, spell_name, write_model
from flowreform.model import Binary, Call, Expr, Model, Number, Ref, Role, Star, Unary, canonical

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "conformance")]
import suite  # noqa: E402
import test_constructs  # noqa: E402

from building import auxiliary, flow, model, parameter, stock  # noqa: E402
from conftest import conformance_folder  # noqa: E402

names = (
    st.one_of(
        st.sampled_from(
            ["a", "beds", "x_1", "if", "mod", "not", "a b", "ä_ö", "a+b", 'say_"so"', "50%", "π", "x.y", "1st", "a\\b"]
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8),
    )
    .map(canonical)
    .filter(
        lambda name: (
            bool(name)
            and not name.endswith("\\")
            and '\\"' not in name
            and not name.startswith((".", "std."))
            and canonical(name) == name
        )
    )
)
numbers = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)


def expressions() -> st.SearchStrategy[Expr]:
    leaf = st.one_of(numbers.map(Number), names.map(Ref))

    def larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        index = st.one_of(inner, st.just(Star()), names.filter(str.isalpha).map(Star))
        return st.one_of(
            st.builds(Unary, st.sampled_from(["-", "+", "not"]), inner),
            st.builds(
                Binary,
                st.sampled_from(["+", "-", "*", "/", "^", "mod", "=", "<>", "<", "<=", ">", ">=", "and", "or"]),
                inner,
                inner,
            ),
            st.builds(
                lambda function, args: Call(function, tuple(args)),
                names.filter(lambda name: name not in ("if", "range", "lookup", "safediv")),
                st.lists(inner, min_size=1, max_size=3),
            ),
            st.builds(lambda a, b, c: Call("if", (a, b, c)), inner, inner, inner),
            st.builds(lambda name, indexes: Ref(name, tuple(indexes)), names, st.lists(index, min_size=1, max_size=2)),
        )

    return st.recursive(leaf, larger, max_leaves=20)


@given(expressions())
def test_an_expression_reads_back_as_it_was(expr: Expr) -> None:
    assert parse(spell(expr)) == expr


def test_brackets_stand_only_where_they_are_needed() -> None:
    for text in (
        "a + b * c",
        "(a + b) * c",
        "a - (b - c)",
        "a - b - c",
        "-a^2",
        "(-a)^2",
        "a^b^c",
        "(a^b)^c",
        "NOT a AND b",
        "2^-b",
    ):
        assert spell(parse(text)) == text


@given(st.floats())
def test_a_number_keeps_its_last_bit(value: float) -> None:
    text = number(value)
    if math.isfinite(value):
        assert float(text) == value
    else:
        assert text in ("NaN", "INF", "-INF")


@given(names)
def test_a_name_reads_back(name: str) -> None:
    assert parse(spell_name(name)) == Ref(name)


# --- files -----------------------------------------------------------------------------------------------------------


def round_trip(found: Model, folder: Path) -> Model:
    return read_model(write_model(found, folder / "written.xmile"))


def assert_says_the_same(found: Model, folder: Path) -> bool:
    """Reading back gives an equal model (True), or one in other words: the same variables, units, documentation and results."""
    again = round_trip(found, folder)
    a, b = plain(found), plain(again)
    if a == b:
        return True
    assert [f"{v.name} {v.label} {v.units} {v.doc} {v.dimensions}" for v in a] == [
        f"{v.name} {v.label} {v.units} {v.doc} {v.dimensions}" for v in b
    ]
    assert (a.specs, a.dimensions, a.groups, a.unit_aliases, a.doc, a.name) == (
        b.specs, b.dimensions, b.groups, b.unit_aliases, b.doc, b.name
    )  # fmt: skip
    assert plain(round_trip(again, folder)) == b  # from then on nothing changes
    (_, before), (_, after) = suite.run_flat(found), suite.run_flat(again)
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-12, atol=1e-12, err_msg=name)
    return False


@pytest.mark.parametrize("name", sorted(bundled("models")) or [None])
def test_a_bundled_model_reads_back_equal(name: str | None, tmp_path: Path) -> None:
    if name is None:
        pytest.skip("no models are bundled")
    assert assert_says_the_same(read_model(name), tmp_path)


@pytest.mark.parametrize("case", test_constructs.XMILE, ids=lambda case: case.construct)
def test_every_construct_of_xmile_reads_back_equal(case: test_constructs.Case, tmp_path: Path) -> None:
    found = read_model(test_constructs.write(case, tmp_path))
    assert assert_says_the_same(found, tmp_path)


@pytest.mark.parametrize("case", test_constructs.MDL[::3], ids=lambda case: case.construct)
def test_every_construct_of_vensim_becomes_xmile(case: test_constructs.Case, tmp_path: Path) -> None:
    found = read_model(test_constructs.write(case, tmp_path))
    assert_says_the_same(found, tmp_path)
    test_constructs.assert_as_expected(case, tmp_path / "written.xmile", "python")


@pytest.mark.requires("conformance")
def test_every_vendor_checked_model_reads_back(tmp_path: Path) -> None:
    equal = total = 0
    for path in suite.models(conformance_folder()):
        try:
            found = read_model(path)
            suite.run_flat(found)
        except ModelError:
            continue
        total += 1
        equal += assert_says_the_same(found, tmp_path)
    print(f"\n{equal} of {total} models equal; the others say the same in other words")
    assert equal >= 0.9 * total


def built() -> Model:
    return model(
        [
            stock("Beds (open)", "100 - 2", outflows=("closing",)),
            flow("closing", '"Beds (open)" * rate / 2^2'),
            parameter("rate", 0.1),
            auxiliary("waiting", 'SMTH1("Beds (open)", 3) + (IF TIME > 2 THEN 1 ELSE 0)'),
        ],
        dt=0.25,
    )


def test_pysd_and_pysimlin_read_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("simlin")
    path = write_model(built(), tmp_path / "built.xmile")
    ds = simulate(read_model(path))
    ours = {name: ds[name].transpose(..., "time", "run").values for name in ("beds_(open)", "closing", "waiting")}
    for run in (run_pysd, run_simlin):
        theirs = run(path, {}, list(ours), model=read_model(path))
        assert max(compare(ours, theirs.values).values()) < 1e-9


def test_what_a_file_cannot_hold_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="models are written as XMILE"):
        write_model(built(), tmp_path / "built.mdl")
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="cannot write there"):
        write_model(built(), tmp_path / "file" / "built.xmile")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_marks_and_odd_characters_survive(tmp_path: Path) -> None:
    found = built()
    rate = replace(found["rate"], doc='a < b & "c"\n{x} %s \x07 é', units="1/Month", range=(0.0, None), group="sector_one")
    found = replace(found, variables={**found.variables, "rate": rate}, groups=(("sector_one", "Sector One"),), doc="<&>")
    again = round_trip(found, tmp_path)
    assert again["rate"].doc == 'a < b & "c"\n{x} %s  é'
    assert (again["rate"].units, again["rate"].range, again["rate"].group) == ("1/Month", (0.0, None), "sector_one")
    assert again["rate"].role is Role.PARAMETER
    assert plain(again) == plain(found)


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(built(), tmp_path / "built.xmile")
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ExperimentError, match="No space left"):
        write_model(model([parameter("a", 1.0)]), path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["built.xmile"]
