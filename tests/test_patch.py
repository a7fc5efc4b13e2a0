"""Patching: one number changes and no other byte does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowreform as fr
from flowreform.errors import ModelError
from flowreform.formats import bundled
from flowreform.names import Named, base_values, element_names, find, split
from flowreform.patch import patched_case, patched_model, shown, write_patches

SOURCE = b"""<?xml version="1.0" encoding="utf-8"?>\r
<!-- <aux name="rate"><eqn>9</eqn></aux> -->
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <model><variables>
    <aux name="A Rate"><doc>Not <b/>1 &lt; 2 but 0.5, caf\xc3\xa9.</doc><eqn > -0.5 </eqn><range min="-0.5" max="1"/></aux>
    <aux name="beds"><element subscript="Losing"><eqn>10</eqn></element>
    <element subscript="gaining"><eqn>20.0</eqn></element></aux>
    <aux name="sum"><eqn>a_rate + 1</eqn></aux>
    <aux name="wrapped"><eqn><![CDATA[5]]></eqn></aux>
    <stock name="s"><eqn>0.5</eqn><inflow>f</inflow></stock>
  </variables></model>
</xmile>"""


def test_one_number_changes_and_nothing_moves() -> None:
    after = patched_model(SOURCE, {"a_rate": 0.25})
    assert after == SOURCE.replace(b"> -0.5 <", b"> 0.25 <")


def test_one_element_changes() -> None:
    assert patched_model(SOURCE, {"beds[gaining]": 21.5}) == SOURCE.replace(b"20.0", b"21.5")


def test_a_bare_array_changes_every_element() -> None:
    assert patched_model(SOURCE, {"Beds": 7}) == SOURCE.replace(b"20.0", b"7").replace(b"<eqn>10<", b"<eqn>7<")


def test_several_at_once_whatever_their_order() -> None:
    values = {"beds[losing]": 123456.75, "a_rate": 1.0, "beds[gaining]": 1e-9}
    after = patched_model(SOURCE, values)
    assert after == patched_model(SOURCE, dict(reversed(values.items())))
    assert b"<eqn>123456.75<" in after
    assert b"<eqn>1e-09<" in after


def test_all_that_cannot_be_patched_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        patched_model(SOURCE, {"sum": 1, "wrapped": 2, "rate": 3, "beds[other]": 4})
    assert [finding.element for finding in caught.value.findings] == ["sum", "wrapped", "rate", "beds[other]"]
    assert [finding.line for finding in caught.value.findings] == [8, 9, 0, 0]


@pytest.mark.parametrize("data", [b"<xmile>", b"\xff\xfe", b'<!DOCTYPE x [<!ENTITY a "1">]><xmile/>'])
def test_a_file_that_is_no_plain_xml_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be patched"):
        patched_model(data, {"a": 1})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(shown(value)) == value
    assert patched_model(patched_model(SOURCE, {"a_rate": value}), {"a_rate": -0.5}) == SOURCE


@pytest.mark.parametrize("name", bundled("models"))
def test_every_parameter_of_a_bundled_model_can_be_patched(name: str, tmp_path: Path) -> None:
    model = fr.read_model(name)
    assert model.path is not None
    data = model.path.read_bytes()
    wanted = {}
    for variable in model.parameters.values():
        for element in element_names(model, variable):
            named = find(model, element)
            assert isinstance(named, Named)
            if not variable.dimensions or any(split(element)[1] == eq.subscripts for eq in variable.equations):
                wanted[element] = base_values(model, named)[0] + 0.0625
    (tmp_path / "model.xmile").write_bytes(patched_model(data, wanted))
    patched = fr.read_model(tmp_path / "model.xmile")
    assert {n: v.text for n, v in patched.variables.items() if n not in model.parameters} == {
        n: v.text for n, v in model.variables.items() if n not in model.parameters
    }
    for element, value in wanted.items():
        named = find(patched, element)
        assert isinstance(named, Named)
        assert base_values(patched, named)[0] == value


TEXT = """# top
[case]
title = "x"

[levers."Pace"]   # why
source = "s"      # kept
status = "assumption"  # also kept

[parameters."beds[losing]"]
source = "s"
status = "verified"
note = 'old'
"""


def test_case_keys_are_replaced_in_place_and_added_below_status() -> None:
    after = patched_case(TEXT, {"pace": {"status": "fitted", "note": 'to "a"'}, "beds[losing]": {"note": "new"}})
    assert after == TEXT.replace('"assumption"  # also kept\n', '"fitted"  # also kept\nnote = "to \\"a\\""\n').replace(
        "'old'", '"new"'
    )
    assert tomllib.loads(after)["levers"]["Pace"]["note"] == 'to "a"'


def test_case_faults_are_named() -> None:
    text = TEXT.replace("'old'", '"""old\nolder"""')
    with pytest.raises(ModelError) as caught:
        patched_case(text, {"nobody": {"status": "fitted"}, "beds[losing]": {"note": "new"}})
    assert [finding.element for finding in caught.value.findings] == ["nobody", "beds[losing]"]


def test_neither_file_is_written_when_one_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "model.xmile").write_bytes(SOURCE)
    (tmp_path / "model.toml").write_text(TEXT)
    with pytest.raises(ModelError):
        write_patches(tmp_path / "model.xmile", {"a_rate": 1.0}, {"nobody": {"status": "fitted"}})
    assert (tmp_path / "model.xmile").read_bytes() == SOURCE
    assert (tmp_path / "model.toml").read_text() == TEXT
