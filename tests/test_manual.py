"""What public objects show of themselves: `repr` is the manual, and notebooks get the same as HTML."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from flowreform.text import Manual, Shown, columns, plain_text


@pytest.fixture(scope="module")
def clinic(ward: Path) -> fr.Model:
    return fr.read_model(ward / "model.xmile")


def test_a_variable_shows_role_unit_equation_range_causes_and_uses(clinic: fr.Model) -> None:
    text = repr(clinic["Open Beds"])
    stock = clinic.variables["open_beds"]
    assert text.startswith("open_beds [bed]: stock\n")
    for fact in (stock.doc, stock.text, *stock.outflows, "model.xmile, line "):
        assert fact in text
    assert clinic["closing"].causes == ("open_beds", "closure_rate")
    assert "causes    open_beds, closure_rate" in repr(clinic["closing"])
    assert "closing" in clinic["closure_rate"].uses
    assert "range" in repr(clinic["closure_rate"])


def test_a_variable_is_equal_to_itself_however_it_was_found(clinic: fr.Model) -> None:
    one, other = clinic["open_beds"], clinic.variables["open_beds"]
    assert one == other
    assert other == one
    assert hash(one) == hash(other)
    assert one != clinic["closing"]


def test_parameters_are_a_table_of_what_a_lever_may_name(clinic: fr.Model) -> None:
    text = repr(clinic.parameters)
    for item in clinic.parameters.values():
        line = next(line for line in text.splitlines() if line.startswith(item.name))
        assert (item.units or "") in line
    assert clinic.parameters["Closure Rate"].uses == ("closing",)


def test_rich_html_has_the_same_cells_and_escapes_what_a_model_says() -> None:
    table = columns("a < b", ("name", "value"), [("<script>", "1"), ("x", "22")], right=(1,))

    class Thing(Manual):
        def manual(self) -> list[Shown]:
            return ["line & line", table]

    html = Thing()._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "line &amp; line" in html
    assert html.count("<tr>") == 3
    assert repr(Thing()) == plain_text(["line & line", table])


def test_an_assessment_and_a_fit_show_what_the_command_prints(clinic: fr.Model, capsys: pytest.CaptureFixture[str]) -> None:
    from flowreform.commands.terminal import show

    found = fr.assess(clinic, witnesses=())
    show(*found.manual())
    printed = capsys.readouterr().out.split()
    assert [word for word in repr(found).split() if set(word) != {"-"}] == [word for word in printed if set(word) != {"─"}]
    assert found._repr_html_().startswith("<table>")
