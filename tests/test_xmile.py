"""The XMILE reader: what it makes of good files, and that every bad one gives findings and nothing else."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowreform.errors import Finding, ModelError
from flowreform.formats import bundled, read_model
from flowreform.formats import limits as bounds
from flowreform.formats.limits import DEFAULT, Limits
from flowreform.formats.xmile import appearance, read_xmile
from flowreform.model import Binary, Call, LookupKind, Method, Model, Number, Ref, Role, canonical

FIXTURES = Path(__file__).parent / "fixtures" / "xmile"
CLINIC = (FIXTURES / "clinic.xmile").read_text(encoding="utf-8")
OASIS = 'xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"'
TIME = "<sim_specs><start>0</start><stop>10</stop><dt>1</dt></sim_specs>"
FLOW = (
    '<stock name="S"><eqn>100</eqn><inflow>f</inflow></stock><flow name="f"><eqn>S*k</eqn></flow>'
    '<aux name="k"><eqn>0.1</eqn></aux>'
)


def document(variables: str = FLOW, *, top: str = TIME, namespace: str = OASIS, after: str = "", inside: str = "") -> str:
    """A whole file around some variables. `inside` goes into the model, `after` behind it."""
    model = f"<model>{inside}<variables>\n{variables}\n</variables></model>"
    return f'<xmile version="1.0" {namespace}>\n{top}\n{model}{after}\n</xmile>'


@pytest.fixture
def read(tmp_path: Path):  # type: ignore[no-untyped-def]
    def go(content: str | bytes, limits: Limits = DEFAULT, name: str = "case.xmile") -> Model:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_xmile(path, limits)

    return go


@pytest.fixture
def faults(read):  # type: ignore[no-untyped-def]
    def go(content: str | bytes, limits: Limits = DEFAULT) -> tuple[Finding, ...]:
        with pytest.raises(ModelError) as caught:
            read(content, limits)
        for finding in caught.value.findings:
            assert finding.file.endswith("case.xmile")
            assert finding.reason
            assert finding.repair
            assert "\n" not in str(finding)
        return caught.value.findings

    return go


def rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


# --- a file with one of everything -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clinic() -> Model:
    return read_model(FIXTURES / "clinic.xmile")


def test_whole_model(clinic: Model) -> None:
    assert clinic.name == "Clinic"
    assert clinic.doc == "The root model."
    assert clinic.path == FIXTURES / "clinic.xmile"
    assert clinic.sha256 == sha256((FIXTURES / "clinic.xmile").read_bytes()).hexdigest()
    assert clinic.findings == ()
    assert (clinic.specs.start, clinic.specs.stop, clinic.specs.dt, clinic.specs.method) == (0, 24, 1 / 16, Method.RK4)
    assert (clinic.specs.time_unit, clinic.specs.save_every, clinic.specs.line) == ("Month", 0.5, 11)
    assert [(unit.name, unit.equation, unit.aliases) for unit in clinic.unit_aliases] == [
        ("person", "", ("people", "patient")),
        ("wte", "person", ()),
    ]
    assert clinic.groups == (("front_door", "Front Door"),)


def test_roles(clinic: Model) -> None:
    assert {role: list(clinic.of_role(role)) for role in Role} == {
        Role.STOCK: ["patients_waiting"],
        Role.FLOW: ["referral", "seen,_at_last"],
        Role.AUXILIARY: ["staff", "winter", "rota"],
        Role.PARAMETER: ["need", "starting_queue", "time_to_see", "matrix", "mostly_alike"],
        Role.LOOKUP: ["bare_curve", "pace"],
    }


def test_dimensions(clinic: Model) -> None:
    assert [(d.name, d.elements, d.element_labels, d.parent) for d in clinic.dimensions.values()] == [
        ("site", ("north_east", "south"), ("North East", "South"), None),
        ("northern_site", ("north_east",), ("North East",), "site"),
        ("band", ("1", "2", "3"), ("1", "2", "3"), None),
    ]


def test_a_stock(clinic: Model) -> None:
    stock = clinic["Patients Waiting"]
    assert stock.label == "Patients Waiting"
    assert stock.doc == "Everyone who has been referred and not yet seen."
    assert (stock.dimensions, stock.units, stock.group, stock.non_negative) == (("site",), "person", "front_door", False)
    assert (stock.inflows, stock.outflows) == (("referral",), ("seen,_at_last",))
    assert stock.equations[0].expr == Ref("starting_queue")
    assert CLINIC.splitlines()[stock.line - 1].strip() == '<stock name="Patients Waiting">'


def test_non_negative_comes_from_the_file_unless_the_variable_says_otherwise(clinic: Model) -> None:
    assert clinic["Seen, at last"].non_negative
    assert not clinic["referral"].non_negative


def test_places_of_equations_are_those_of_the_file(clinic: Model) -> None:
    lines = CLINIC.splitlines()
    for variable in clinic:
        for equation in variable.equations:
            assert equation.text[:6] in lines[equation.line - 1].replace("&lt;", "<")
            if isinstance(equation.expr, Ref):
                assert lines[equation.line - 1][equation.expr.column - 1 :].lower().startswith(equation.expr.name[:4])


def test_literals_are_parameters_and_come_out_as_numbers(clinic: Model) -> None:
    assert [(e.subscripts, e.expr, e.text) for e in clinic["need"].equations] == [
        (("north_east",), Number(5.0), "-1 + 3*2"),
        (("south",), Number(0.25), "1/4"),
    ]
    assert clinic["starting queue"].equations[0].expr == Number(7.0)
    assert clinic["need"].range == (0.0, 1000.0)
    assert clinic["starting queue"].range == (0.0, None)


def test_arrays(clinic: Model) -> None:
    assert [equation.subscripts for equation in clinic["referral"].equations] == [("north_east",), ("south",)]
    assert [(e.subscripts, e.expr) for e in clinic["matrix"].equations] == [
        ((site, band), Number(value))
        for (site, band), value in zip([(s, b) for s in ("north_east", "south") for b in "123"], range(1, 7), strict=True)
    ]
    rest, two = clinic["mostly alike"].equations
    assert (rest.subscripts, rest.exceptions, rest.expr) == (("band",), (("2",),), Number(7.0))
    assert (two.subscripts, two.expr) == (("2",), Number(8.0))


def test_lookups(clinic: Model) -> None:
    winter, rota, bare, pace = (clinic[name].equations[0] for name in ("winter", "rota", "bare curve", "pace"))
    assert winter.lookup is not None
    assert (winter.lookup.x, winter.lookup.y, winter.lookup.kind) == ((0, 6, 12), (1, 1.5, 1), LookupKind.EXTRAPOLATE)
    assert winter.expr == Ref("time")
    assert pace.expr is None
    assert pace.lookup is not None
    assert (pace.lookup.x, pace.lookup.y, pace.lookup.kind) == ((0, 5, 10), (1, 0.9, 0.5), LookupKind.CONTINUOUS)
    assert rota.lookup == pace.lookup
    assert bare.lookup is not None
    assert (bare.lookup.x, bare.lookup.y, bare.lookup.kind) == ((0, 1, 2), (1, 2, 2), LookupKind.DISCRETE)


def test_initial_equation_and_comment(clinic: Model) -> None:
    assert clinic["staff"].equations[0].initial == Number(3.0)
    assert clinic["staff"].equations[0].expr == Call("if", (Binary("<", Ref("time"), Number(12.0)), Number(4.0), Number(5.0)))
    assert clinic["time to see"].equations[0].expr == Number(0.5)


def test_macros(clinic: Model) -> None:
    half, twice = clinic.macros["half_life"], clinic.macros["twice"]
    assert (half.parameters, half.result, [v.name for v in half.variables]) == (("level", "time"), "left", ["left"])
    assert (twice.parameters, twice.result) == (("of",), "twice")
    assert twice.variables[0].equations[0].expr == Binary("*", Number(2.0), Ref("of"))


# --- modules ---------------------------------------------------------------------------------------------------------


def test_modules_are_laid_out_flat() -> None:
    model = read_model(FIXTURES / "modules.stmx")
    assert set(model.variables) == {
        *("common_rate", "total", "echo"),
        *("hospital.level", "hospital.gain", "hospital.weight", "hospital.curve", "hospital.ward.level"),
    }
    assert model["hospital.ward.level"].label == "Hospital.Ward.level"
    assert model["hospital.ward.level"].equations[0].expr == Ref("common_rate")  # through two connections
    assert model["echo"].equations[0].expr == Ref("common_rate")
    assert model["hospital.level"].inflows == ("hospital.gain",)
    assert set(map(str, _names(model, "hospital.gain"))) == {
        *("hospital.level", "common_rate", "hospital.weight", "hospital.ward.level", "total", "hospital.curve"),
        "rate",  # the element in brackets, not the input of the same name
    }
    assert model["hospital.level"].group == "hospital.beds"
    assert model["hospital.gain"].group == "hospital"
    assert dict(model.groups) == {"hospital": "Hospital", "hospital.beds": "Beds", "hospital.ward": "Hospital.Ward"}
    assert [(finding.rule, finding.element) for finding in model.findings] == [("unused-model", "unused")]  # type: ignore[attr-defined]


def _names(model: Model, name: str) -> set[str]:
    from flowreform.model import names_in

    expr = model[name].equations[0].expr
    assert expr is not None
    return set(names_in(expr))


MODULE = '<model name="M"><variables><aux name="i" access="input"><eqn>1</eqn></aux></variables></model>'


@pytest.mark.parametrize(
    ("variables", "after", "rule"),
    [
        ('<module name="X"/>', MODULE, "unknown-model"),
        ('<module name="M"><connect to="M.j" from="k"/></module>', MODULE, "unknown-input"),
        ('<module name="M"><connect to="M.i" from="nowhere"/></module>', MODULE, "unknown-source"),
        ('<module name="M"><connect to="M.i" from="M.i"/></module>', MODULE, "circular-input"),
        ('<module name="M"><connect to="M.i" from="k"/><connect to="i" from="S"/></module>', MODULE, "duplicate-input"),
        ('<module name="M"><connect to="M.i"/></module>', MODULE, "bad-connect"),
        ('<module name="M"/>', MODULE.replace("<eqn>1</eqn>", ""), "unconnected-input"),
        ('<module name="M"/>', '<model name="M"><variables><module name="M"/></variables></model>', "recursive-module"),
        ('<module name="M"/>', MODULE + MODULE, "duplicate-model"),
        ('<module name="M" resource="other.xmile"/>', MODULE, "unsupported"),
        ('<module name="M"/>', MODULE.replace("<variables>", TIME.replace(">1<", ">2<") + "<variables>"), "unsupported"),
        ('<module name="S"/>', MODULE.replace('"M"', '"S"'), "duplicate-variable"),
    ],
)
def test_faults_of_modules(faults, variables: str, after: str, rule: str) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(document(FLOW + variables, after=after))) == [rule]


def test_modules_that_multiply_are_stopped(faults) -> None:  # type: ignore[no-untyped-def]
    models = "".join(
        f'<model name="m{i}"><variables><aux name="v"><eqn>1</eqn></aux>'
        f'<module name="a" model_name="m{i + 1}"/><module name="b" model_name="m{i + 1}"/></variables></model>'
        for i in range(40)
    )
    last = '<model name="m40"><variables><aux name="v"><eqn>1</eqn></aux></variables></model>'
    findings = faults(document('<module name="m0"/>', after=models + last), Limits(variables=500))
    assert "too-many-variables" in rules(findings)
    assert "FLOWREFORM_MAX_VARIABLES" in str(findings[0])


# --- who wrote it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "namespace",
    ["", OASIS, 'xmlns="http://www.systemdynamics.org/XMILE"', 'xmlns="http://iseesystems.com/XMILE" level="3"'],
)
def test_any_namespace(read, namespace: str) -> None:  # type: ignore[no-untyped-def]
    assert list(read(document(namespace=namespace)).variables) == ["s", "f", "k"]


def test_a_prefix_for_the_namespace(read) -> None:  # type: ignore[no-untyped-def]
    text = re.sub(r"<(/?)", r"<\1x:", document(namespace='xmlns:x="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"'))
    assert list(read(text).variables) == ["s", "f", "k"]


def test_a_prefix_that_is_never_declared(read) -> None:  # type: ignore[no-untyped-def]
    top = '<isee:prefs show="true"/>' + TIME.replace("<sim_specs", '<sim_specs isee:save_interval="2" other:thing="1"')
    assert read(document(top=top)).specs.save_every == 2.0


def test_vendor_elements_are_not_taken_for_ours(read) -> None:  # type: ignore[no-untyped-def]
    text = document(
        FLOW + '<isee:aux name="q"><isee:eqn>1 +</isee:eqn></isee:aux>',
        namespace=OASIS + ' xmlns:isee="http://iseesystems.com/XMILE"',
    )
    model = read(text)
    assert list(model.variables) == ["s", "f", "k"]


def test_variables_straight_under_the_model(read) -> None:  # type: ignore[no-untyped-def]
    text = f"<xmile>{TIME}<model>{FLOW}<display/></model></xmile>"
    assert list(read(text).variables) == ["s", "f", "k"]


def test_one_named_model_is_the_root(read) -> None:  # type: ignore[no-untyped-def]
    assert "k" in read(document().replace("<model>", '<model name="default">'))


PROLOG = '<?xml version="1.0" encoding="{}"?>\n'


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("utf-8", lambda text: text.encode()),
        ("utf-8", lambda text: b"\xef\xbb\xbf" + text.encode()),
        ("utf-8", lambda text: text.replace("\n", "\r\n").encode()),
        ("latin-1", lambda text: text.encode("latin-1")),
        ("windows-1252", lambda text: text.encode("cp1252")),
        ("utf-16", lambda text: text.encode("utf-16")),
        ("utf-16", lambda text: text.encode("utf-16-le")),
        ("utf-16", lambda text: text.encode("utf-16-be")),
        ("utf-32", lambda text: text.encode("utf-32")),
    ],
)
def test_encodings(read, encoding: str, data) -> None:  # type: ignore[no-untyped-def]
    text = PROLOG.format(encoding) + document(FLOW + '\n<aux name="Länge"><eqn>\n2 + k</eqn></aux>')
    model = read(data(text))
    assert model["LÄNGE"].line == 6
    assert model["länge"].equations[0].line == 7
    assert model["länge"].label == "Länge"


@pytest.mark.parametrize(
    "data",
    [
        (PROLOG.format("no-such-code") + document()).encode(),
        (PROLOG.format("rot13") + document()).encode(),
        (PROLOG.format("punycode") + document()).encode(),
        (PROLOG.format("unicode_escape") + document()).encode(),
        (PROLOG.format("UTF\0-8") + document()).encode(),
        (PROLOG.format("base64") + document()).encode(),
        (PROLOG.format("utf-8") + document().replace("k", "\u00e9")).encode("latin-1"),
        b"\xff\xfe\x00\xd8" + document().encode("utf-16-le"),
    ],
)
def test_bytes_that_are_no_text(faults, data: bytes) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(data)) == ["encoding"]


# --- XML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE xmile>",
        '<!DOCTYPE xmile SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE xmile [<!ENTITY a "x">]>',
        "<!doctype xmile>",
    ],
)
@pytest.mark.parametrize("before", ["", "<!-- a comment -->\n", '<?xml version="1.0"?>\n<?pi <!DOCTYPE ?>\n', "\n\n"])
def test_a_doctype_is_refused(faults, declaration: str, before: str) -> None:  # type: ignore[no-untyped-def]
    findings = faults(before + declaration + document())
    assert rules(findings) == ["doctype"]
    assert findings[0].line == before.count("\n") + 1


def test_a_doctype_in_a_wide_encoding_is_refused(faults) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(("<!DOCTYPE xmile [<!ENTITY a 'x'>]>" + document()).encode("utf-16"))) == ["doctype"]


def test_a_doctype_in_a_comment_or_in_text_is_none(read) -> None:  # type: ignore[no-untyped-def]
    text = "<!-- <!DOCTYPE x> -->" + document(
        FLOW + '<aux name="q"><doc><![CDATA[<!DOCTYPE x>]]></doc><eqn><![CDATA[k<1]]></eqn></aux>'
    )
    model = read(text)
    assert model["q"].doc == "<!DOCTYPE x>"
    assert model["q"].equations[0].expr == Binary("<", Ref("k"), Number(1.0))


@pytest.mark.parametrize(
    "text",
    [
        document()[:-20],
        document().replace("</stock>", ""),
        document().replace("100", "&undefined;"),
        document().replace("100", "1 < 2"),
        document() + "<again/>",
        "not xml at all",
        "{}",
        document().replace('name="k"', 'name="k" name="k"'),
        document().replace("100", "1\0"),
    ],
)
def test_broken_xml(faults, text: str) -> None:  # type: ignore[no-untyped-def]
    findings = faults(text)
    assert rules(findings) == ["xml-syntax"]
    assert findings[0].line >= 1


@pytest.mark.parametrize(("content", "rule"), [(b"", "empty-file"), (b" \n", "empty-file"), (b"<html/>", "wrong-root")])
def test_files_that_hold_something_else(faults, content: bytes, rule: str) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(content)) == [rule]


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "rule", "variable"),
    [
        (Limits(file_bytes=100), "file-too-large", "FLOWREFORM_MAX_FILE_BYTES"),
        (Limits(xml_elements=9), "xml-elements", "FLOWREFORM_MAX_XML_ELEMENTS"),
        (Limits(xml_depth=4), "xml-depth", "FLOWREFORM_MAX_XML_DEPTH"),
        (Limits(equation_characters=2), "equation-too-long", "FLOWREFORM_MAX_EQUATION_CHARACTERS"),
        (Limits(nesting=2), "equation-too-deep", "FLOWREFORM_MAX_NESTING"),
        (Limits(variables=2), "too-many-variables", "FLOWREFORM_MAX_VARIABLES"),
        (Limits(elements=4), "too-many-elements", "FLOWREFORM_MAX_ELEMENTS"),
        (Limits(steps=9), "too-many-steps", "FLOWREFORM_MAX_STEPS"),
        (Limits(name_characters=1), "long-name", "FLOWREFORM_MAX_NAME_CHARACTERS"),
    ],
)
def test_every_limit_names_itself(faults, limits: Limits, rule: str, variable: str) -> None:  # type: ignore[no-untyped-def]
    top = TIME + '<dimensions><dim name="d" size="5"/></dimensions>'
    text = document(FLOW + '<aux name="long"><eqn>1 + (k * (k + 2))</eqn></aux>', top=top)
    findings = faults(text, limits)
    assert rule in rules(findings)
    assert variable in str(next(finding for finding in findings if finding.rule == rule))


def test_deep_xml_is_read_when_the_limit_is_raised(read) -> None:  # type: ignore[no-untyped-def]
    text = document(inside="<views>" + "<v>" * 1000 + "</v>" * 1000 + "</views>")
    assert "k" in read(text, Limits(xml_depth=2000))


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert bounds.from_environment({}) == DEFAULT
    assert bounds.from_environment({"FLOWREFORM_MAX_STEPS": "12"}) == replace(DEFAULT, steps=12)
    with pytest.raises(ModelError) as caught:
        bounds.from_environment({"FLOWREFORM_MAX_STEPS": "many", "FLOWREFORM_MAX_NESTING": "-1"})
    assert [finding.element for finding in caught.value.findings] == ["FLOWREFORM_MAX_NESTING", "FLOWREFORM_MAX_STEPS"]
    (tmp_path / "a.xmile").write_text(document(), encoding="utf-8")
    monkeypatch.setenv("FLOWREFORM_MAX_STEPS", "9")
    with pytest.raises(ModelError, match="limit is 9"):
        read_model(tmp_path / "a.xmile")


# --- time ------------------------------------------------------------------------------------------------------------


def specs(start: str = "0", stop: str = "10", dt: str = "<dt>1</dt>", attributes: str = "") -> str:
    return f"<sim_specs {attributes}><start>{start}</start><stop>{stop}</stop>{dt}</sim_specs>"


@pytest.mark.parametrize(
    ("top", "rule"),
    [
        ("", "missing-sim-specs"),
        (specs(start=""), "bad-time"),
        (specs(start="soon"), "bad-time"),
        (specs(stop="nan"), "bad-time"),
        (specs(stop="1e999"), "bad-time"),
        (specs(stop="inf"), "bad-time"),
        (specs(stop="1_0"), "bad-time"),
        (specs(stop="1,5"), "bad-time"),
        (specs(start="11"), "bad-time"),
        (specs(start="10"), "bad-time"),
        (specs(dt="<dt>0</dt>"), "bad-time"),
        (specs(start="0", stop="1e-320", dt="<dt>5e-324</dt>"), "bad-time"),
        (specs(start="1e16", stop="10000000000000004", dt="<dt>0.25</dt>"), "bad-time"),
        (specs(dt="<dt>-1</dt>"), "bad-time"),
        (specs(dt="<dt>1e-320</dt>"), "too-many-steps"),
        (specs(dt='<dt reciprocal="true">1e-320</dt>'), "bad-time"),
        (specs(dt='<dt reciprocal="perhaps">4</dt>'), "bad-time"),
        (specs(dt="<dt>1000</dt>"), "bad-time"),
        (specs(start="-1e308", stop="1e308"), "too-many-steps"),
        (specs(attributes='method="magic"'), "unknown-method"),
        (specs(attributes='save_interval="often"'), "bad-time"),
        (specs(attributes='save_interval="-1"'), "bad-time"),
    ],
)
def test_times_that_cannot_be(faults, top: str, rule: str) -> None:  # type: ignore[no-untyped-def]
    findings = faults(document(top=top))
    assert rules(findings) == [rule]
    assert findings[0].line >= 1


@pytest.mark.parametrize(
    ("written", "method", "warned"),
    [
        ("Euler", Method.EULER, False),
        ("euler", Method.EULER, False),
        ("RK2", Method.RK2, False),
        ("rk4", Method.RK4, False),
        ("RK 4", Method.RK4, False),
        ("2nd-order Runge-Kutta", Method.RK2, False),
        ("4th-order Runge-Kutta", Method.RK4, False),
        ("Runge-Kutta 4", Method.RK4, False),
        ("rk4, euler", Method.RK4, False),
        ("gear, rk2", Method.RK2, True),
        ("Gear", Method.RK4, True),
        ("rk45", Method.RK4, True),
        ("", Method.EULER, False),
    ],
)
def test_methods(read, written: str, method: Method, warned: bool) -> None:  # type: ignore[no-untyped-def]
    model = read(document(top=specs(attributes=f'method="{written}"')))
    assert model.specs.method is method
    assert [finding.rule for finding in model.findings] == ["method-replaced"] * warned


def test_times_have_defaults_and_the_model_overrides_the_file(read) -> None:  # type: ignore[no-untyped-def]
    assert read(document(top=specs(dt=""))).specs.dt == 1.0
    model = read(document(top=specs(attributes='method="rk4" time_units="day"'), inside="<sim_specs><stop>20</stop></sim_specs>"))
    assert (model.specs.start, model.specs.stop, model.specs.method, model.specs.time_unit) == (0, 20, Method.RK4, "day")
    assert "k" in read(document(top="", inside=TIME))


@pytest.mark.parametrize(
    ("top", "save"),
    [
        (specs(attributes='save_interval="2"'), 2),
        (specs(dt="<dt>1</dt><save_step>5</save_step>"), 5),
        (specs(dt="<dt>1</dt><saveper>5</saveper>"), 5),
        (specs(attributes='save_interval="1"'), None),
        (specs(attributes='save_interval="0"'), None),
        (specs(), None),
    ],
)
def test_save_interval(read, top: str, save: float | None) -> None:  # type: ignore[no-untyped-def]
    assert read(document(top=top)).specs.save_every == save


def test_a_dt_that_does_not_divide_the_run_is_a_warning(read) -> None:  # type: ignore[no-untyped-def]
    assert [finding.rule for finding in read(document(top=specs(dt="<dt>3</dt>"))).findings] == ["uneven-steps"]
    assert read(document(top=specs(dt="<dt>0.1</dt>"))).findings == ()


# --- variables -------------------------------------------------------------------------------------------------------

DIMS = '<dimensions><dim name="d"><elem name="A"/><elem name="B"/></dim><dim name="n" size="2"/></dimensions>'
ONE = '<dimensions><dim name="d"/></dimensions>'


def element(subscript: str, inside: str = "<eqn>1</eqn>") -> str:
    return f'<element subscript="{subscript}">{inside}</element>'


@pytest.mark.parametrize(
    ("variables", "rule", "element"),
    [
        ('<aux name="a"><eqn>1</eqn></aux><flow name="A"><eqn>2</eqn></flow>', "duplicate-variable", "A"),
        ('<aux name=""><eqn>1</eqn></aux>', "empty-name", "auxiliary"),
        ("<aux><eqn>1</eqn></aux>", "empty-name", "auxiliary"),
        ('<aux name="&quot;&quot;"><eqn>1</eqn></aux>', "empty-name", "auxiliary"),
        ('<stock name="T"/>', "stock-without-initial", "T"),
        ('<stock name="T"><eqn> </eqn></stock>', "stock-without-initial", "T"),
        ('<aux name="a"/>', "missing-equation", "a"),
        ('<aux name="a"><eqn> ??? </eqn></aux>', "missing-equation", "a"),
        ('<aux name="a"><eqn>{Enter equation here}</eqn></aux>', "missing-equation", "a"),
        ('<stock name="T"><eqn>1</eqn><inflow>ghost</inflow></stock>', "undefined-flow", "T"),
        ('<stock name="T"><eqn>1</eqn><outflow>S</outflow></stock>', "undefined-flow", "T"),
        ('<stock name="T"><eqn>1</eqn><outflow/></stock>', "undefined-flow", "T"),
        ('<stock name="T"><eqn>1</eqn><inflow>f</inflow><inflow>F</inflow></stock>', "duplicate-flow", "T"),
        ('<stock name="T"><eqn>1</eqn><conveyor><len>2</len></conveyor></stock>', "unsupported", "T"),
        ('<stock name="T"><eqn>1</eqn><queue/></stock>', "bad-queue", "T"),
        ('<flow name="g"><eqn>1</eqn><overflow/></flow>', "bad-queue", "g"),
        ('<flow name="g"><eqn>1</eqn><leak/></flow>', "unsupported", "g"),
        ('<flow name="g"><eqn>1</eqn><multiplier>2</multiplier></flow>', "unsupported", "g"),
        ('<stock name="T"><eqn>1</eqn><non_negative>sometimes</non_negative></stock>', "bad-non-negative", "T"),
        ('<aux name="a"><eqn>1</eqn><range min="low"/></aux>', "bad-range", "a"),
        ('<aux name="a"><eqn>1</eqn><range min="2" max="1"/></aux>', "bad-range", "a"),
        ('<converter name="a"><eqn>1</eqn></converter>', "unknown-kind", "a"),
        (
            '<aux name="a"><dimensions><dim name="q"/></dimensions><eqn>1</eqn></aux>',
            "unknown-dimension",
            "a",
        ),
        (f'<aux name="a">{ONE}{element("A")}</aux>', "missing-element", "a"),
        (f'<aux name="a">{ONE}{element("C")}</aux>', "unknown-element", "a"),
        (f'<aux name="a">{ONE}{element("A, A")}</aux>', "bad-element", "a"),
        (f'<aux name="a">{ONE}{element("")}</aux>', "bad-element", "a"),
        (f'<aux name="a">{element("A")}</aux>', "bad-element", "a"),
        (f'<aux name="a">{ONE}<eqn>1, 2, 3</eqn></aux>', "bad-element", "a"),
        (
            f'<aux name="a">{ONE}<eqn>1</eqn>{element("A")}{element("a")}</aux>',
            "duplicate-element",
            "a",
        ),
        (
            f'<stock name="T">{ONE}{element("A", "<eqn>1</eqn><non_negative/>")}{element("B")}</stock>',
            "unsupported",
            "T",
        ),
        ('<aux name="p"><eqn>1,5</eqn></aux>', "expression", "p"),
        ('<aux name="p"><eqn>1</eqn><init_eqn>1 2</init_eqn></aux>', "expression", "p"),
    ],
)
def test_faults_of_variables(faults, variables: str, rule: str, element: str) -> None:  # type: ignore[no-untyped-def]
    findings = faults(document(FLOW + "\n" + variables, top=TIME + DIMS))
    assert [(finding.rule, finding.element) for finding in findings] == [(rule, element)]
    assert findings[0].line == 5


def test_a_duplicate_names_both_lines(faults) -> None:  # type: ignore[no-untyped-def]
    findings = faults(document('<aux name="Open Beds"><eqn>1</eqn></aux>\n<aux name="open_beds"><eqn>2</eqn></aux>'))
    assert "first in line 4 and again in line 5" in findings[0].reason


def test_all_faults_of_a_file_come_at_once_and_in_order(faults) -> None:  # type: ignore[no-untyped-def]
    text = document(
        '<aux name="a"><eqn>1 2</eqn></aux>\n<aux name="b"/>\n<stock name="c"><inflow>x</inflow></stock>',
        top=specs(dt="<dt>0</dt>") + '<dimensions><dim name="d"/></dimensions>',
    )
    findings = faults(text)
    assert rules(findings) == ["bad-dimension", "bad-time", "expression", "missing-equation", "stock-without-initial"]
    assert [finding.line for finding in findings] == [2, 2, 4, 5, 6]


def test_ten_thousand_faults_are_cut_short(faults) -> None:  # type: ignore[no-untyped-def]
    findings = faults(document('<aux name=""/>' * 1000))
    assert len(findings) == 201
    assert "800 faults more" in findings[-1].reason


def test_a_fault_in_an_equation_has_line_and_column(faults) -> None:  # type: ignore[no-untyped-def]
    text = document('<aux name="a"><doc>x</doc><eqn>\n    k +\n    1 2</eqn></aux> <aux name="b"><eqn>k &gt; 1 1</eqn></aux>')
    first, second = faults(text)
    assert (first.line, first.column) == (6, 7)
    assert text.splitlines()[5][first.column - 1] == "2"
    assert (second.line, second.element) == (6, "b")
    assert text.splitlines()[5][: second.column].endswith("<eqn>k &gt; 1 1")


@pytest.mark.parametrize(
    "dimensions",
    ['<dim name="d"/>', '<dim name="d" size="0"/>', '<dim name="d" size="two"/>'],
)
def test_faults_of_dimensions(faults, dimensions: str) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(document(top=TIME + f"<dimensions>{dimensions}</dimensions>"))) == ["bad-dimension"]


def test_a_dimension_of_a_size_beyond_all_bounds_has_too_many_elements(faults) -> None:  # type: ignore[no-untyped-def]
    findings = faults(document(top=TIME + '<dimensions><dim name="d" size="99999999999999999999"/></dimensions>'))
    assert rules(findings) == ["too-many-elements"]


def test_doubled_dimensions_and_elements(faults) -> None:  # type: ignore[no-untyped-def]
    two = '<dim name="d" size="2"/><dim name="D" size="3"/><dim name="e"><elem name="a"/><elem name="A"/></dim>'
    assert rules(faults(document(top=TIME + f"<dimensions>{two}</dimensions>"))) == ["duplicate-dimension", "duplicate-element"]


def test_an_auxiliary_that_is_a_flow_is_read_as_one(read) -> None:  # type: ignore[no-untyped-def]
    model = read(document(FLOW.replace("<flow", "<aux").replace("</flow", "</aux")))
    assert model["f"].role is Role.FLOW
    assert [finding.rule for finding in model.findings] == ["auxiliary-as-flow"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("<behavior><non_negative/></behavior>", (True, True)),
        ("<behavior><stock><non_negative/></stock></behavior>", (True, False)),
        ("<behavior><flow><non_negative> TruE </non_negative></flow></behavior>", (False, True)),
        ("<behavior><non_negative/><flow><non_negative>false</non_negative></flow></behavior>", (True, False)),
        ("", (False, False)),
    ],
)
def test_behavior_of_file_and_of_model(read, where: str, expected: tuple[bool, bool]) -> None:  # type: ignore[no-untyped-def]
    for text in (document(top=TIME + where), document(inside=where)):
        model = read(text)
        assert (model["S"].non_negative, model["f"].non_negative) == expected
        assert not model["k"].non_negative


@pytest.mark.parametrize(
    ("equation", "value"),
    [
        ("-5", -5.0),
        ("1/12", 1 / 12),
        ("+2 * (3 - 1) ^ 2", 8.0),
        ("2^-1", 0.5),
        ("1/0", None),
        ("10^400", None),
        ("PI", None),
        ("MAX(1, 2)", None),
    ],
)
def test_what_is_a_parameter(read, equation: str, value: float | None) -> None:  # type: ignore[no-untyped-def]
    variable = read(document(f'<aux name="p"><eqn>{equation}</eqn></aux>'))["p"]
    assert variable.role is (Role.AUXILIARY if value is None else Role.PARAMETER)
    assert variable.text == equation
    if value is not None:
        assert variable.equations[0].expr == Number(value)


# --- lookups ---------------------------------------------------------------------------------------------------------


def curve(points: str, attributes: str = "") -> str:
    return document(f'<aux name="a"><eqn>TIME</eqn><gf {attributes}>{points}</gf></aux>')


@pytest.mark.parametrize(
    "points",
    [
        "<xpts>0,1</xpts><ypts>0,abc</ypts>",
        "<xpts>0,1</xpts><ypts>0,1e999</ypts>",
        "<xpts>0,1</xpts><ypts>0,inf</ypts>",
        "<xpts>0,1,</xpts><ypts>0,1,2</ypts>",
        "<xpts>0,1,2</xpts><ypts>0,1</ypts>",
        "<xpts>0,2,1</xpts><ypts>0,1,2</ypts>",
        "<xpts>0,1,1,1</xpts><ypts>0,1,2,3</ypts>",
        "<xpts>0,1</xpts>",
        "<xpts>0,1</xpts><ypts/>",
        "<ypts>0,1</ypts>",
        '<xscale min="0"/><ypts>0,1</ypts>',
        '<xscale min="1" max="1"/><ypts>0,1</ypts>',
    ],
)
def test_faults_of_lookups(faults, points: str) -> None:  # type: ignore[no-untyped-def]
    findings = faults(curve(points))
    assert rules(findings) == ["bad-lookup"]
    assert findings[0].element == "a"


def test_a_lookup_of_unknown_type_or_name(faults) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(curve("<xpts>0,1</xpts><ypts>0,1</ypts>", 'type="smooth"'))) == ["bad-lookup"]
    assert rules(faults(curve("", 'name="nowhere"'))) == ["unknown-lookup"]


def test_one_point_is_a_constant_with_a_warning(read) -> None:  # type: ignore[no-untyped-def]
    model = read(curve("<xpts>1</xpts><ypts>2</ypts>"))
    assert [(finding.rule, finding.element) for finding in model.findings] == [("one-point-lookup", "a")]
    assert model["a"].equations[0].lookup.y == (2.0,)


def test_points_over_a_scale_are_evenly_spread_and_end_exactly(read) -> None:  # type: ignore[no-untyped-def]
    lookup = read(curve('<xscale min="0.1" max="0.7"/><ypts>1,2,3,4,5,6,7</ypts>'))["a"].equations[0].lookup
    assert (lookup.x[0], lookup.x[-1]) == (0.1, 0.7)
    assert lookup.x == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_points_win_over_a_scale(read) -> None:  # type: ignore[no-untyped-def]
    lookup = read(curve('<xscale min="0" max="9"/><xpts>0,1</xpts><ypts>1,2</ypts>'))["a"].equations[0].lookup
    assert lookup.x == (0, 1)


# --- names that look alike -------------------------------------------------------------------------------------------


def named(*labels: str) -> str:
    return document("\n".join(f'<aux name="{label}"><eqn>1</eqn></aux>' for label in labels))


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        (("a", "\u00e1", "\u0430", "b"), 1),  # a, a with an acute, Cyrillic a
        (("Beds", "\uff22eds"), 1),  # a wide B
        (("HO", "\u041d\u041e", "\u0397\u039f"), 1),  # Latin, Cyrillic, Greek
        (("o", "\u043e", "p", "\u0440"), 2),
        (("resume", "r\u00e9sum\u00e9", "Länge"), 0),
        (("x1", "xl"), 0),
    ],
)
def test_lookalikes_give_one_warning_each(read, labels: tuple[str, ...], count: int) -> None:  # type: ignore[no-untyped-def]
    model = read(named(*labels))
    assert len(model.variables) == len(labels)
    assert [finding.rule for finding in model.findings] == ["lookalike-names"] * count
    assert appearance("Open  Beds") == appearance("open_beds")


# --- macros ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("macro", "rule"),
    [
        ('<macro name="m"><parm>x</parm></macro>', "missing-equation"),
        ('<macro name="m"><parm>x</parm><parm>X</parm><eqn>x</eqn></macro>', "bad-macro"),
        ('<macro name="m"><parm default="1">x</parm><eqn>x</eqn></macro>', "unsupported"),
        ('<macro name="m"><eqn>1</eqn></macro><macro name="M"><eqn>1</eqn></macro>', "duplicate-macro"),
        ('<macro name="m"><eqn>1</eqn><variables><aux name="m"><eqn>1</eqn></aux></variables></macro>', "duplicate-variable"),
        (f'<macro name="m"><eqn>1</eqn>{TIME}</macro>', "unsupported"),
        ('<macro name="m"><eqn>1 +</eqn></macro>', "expression"),
        ("<macro><eqn>1</eqn></macro>", "empty-name"),
    ],
)
def test_faults_of_macros(faults, macro: str, rule: str) -> None:  # type: ignore[no-untyped-def]
    assert rules(faults(document(after=macro))) == [rule]


# --- which reader, which file ----------------------------------------------------------------------------------------


def one_fault(name: str | Path) -> Finding:
    with pytest.raises(ModelError) as caught:
        read_model(name)
    (finding,) = caught.value.findings
    assert finding.repair
    return finding


def test_paths_that_are_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clinic.xmile").write_text(CLINIC, encoding="utf-8")
    (tmp_path / "folder.xmile").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "model.xmile").write_text(CLINIC, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    missing = one_fault("./clinik.xmile")
    assert (missing.rule, missing.repair) == ("missing-file", 'did you mean "clinic.xmile"?')
    assert one_fault("folder.xmile").rule == "not-a-file"
    assert one_fault("./deep").repair == f"write {Path('deep') / 'model.xmile'}"
    assert one_fault("notes.txt").rule == "unknown-format"
    assert ".stmx" in one_fault("notes.txt").repair
    assert ".mdl" in one_fault("notes.txt").repair
    assert one_fault("./nowhere/x.xmile").rule == "missing-file"
    assert one_fault("nul\0byte.xmile").rule in {"cannot-read", "missing-file"}
    assert one_fault("x" * 5000 + ".xmile").rule in {"cannot-read", "missing-file"}
    assert one_fault("clinic").repair == "for the file write clinic.xmile"
    assert one_fault("nothing_like_it").rule == "unknown-model"


@pytest.mark.parametrize("suffix", [".xmile", ".stmx", ".itmx", ".xml", ".XMILE"])
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_text(document(), encoding="utf-8")
    assert read_model(str(path)).name == "m"
    assert read_model(path).path == path


def test_a_model_called_model_has_the_name_of_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "care" / "model.xmile"
    path.parent.mkdir()
    path.write_text(document(), encoding="utf-8")
    assert read_model(path).name == "care"


def test_bundled_models_read_by_name() -> None:
    for name, path in bundled("models").items():
        assert path.is_file()
        assert read_model(name).name == name
    for path in bundled("experiments").values():
        assert path.suffix == ".toml"


# --- files of others -------------------------------------------------------------------------------------------------

# Classes of what a converter lost: the file says so itself.
_LOST = {
    "missing-equation": "an equation is ??? in the file",
    "expression": "an equation the converter broke: a call of a macro that the file does not hold, NOT without operand",
    "xml-syntax": "a tag is missing",
    "unknown-element": "the subscripts belong to other dimensions",
}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".xmile", ".stmx"})


def _outcome(path: Path) -> tuple[Model | None, tuple[Finding, ...]]:
    """The model and its warnings, or None and its faults."""
    try:
        model = read_model(path)
    except ModelError as fault:
        return None, fault.findings
    return model, model.findings  # type: ignore[return-value]


@pytest.mark.requires("conformance")
def test_every_conformance_model_reads_or_lacks_something(conformance: Path) -> None:
    outcomes = {path: _outcome(path) for path in _files(conformance)}
    refused = {path: findings for path, (model, findings) in outcomes.items() if model is None}
    assert len(refused) < len(outcomes) / 3
    for path, findings in refused.items():
        assert set(rules(findings)) <= _LOST.keys(), path.name
        text = path.read_text(encoding="utf-8-sig")
        assert rules(findings) == ["xml-syntax"] or any(mark in text for mark in ("???", " MACRO(", "not  THEN")), path.name


@pytest.mark.requires("conformance", "pysimlin")
def test_a_second_reader_sees_the_same_model(conformance: Path) -> None:
    import simlin

    compared = 0
    for path in _files(conformance):
        ours, _ = _outcome(path)
        if ours is None:
            continue
        try:
            theirs = simlin.load(str(path))
        except simlin.SimlinError:
            continue
        known = {canonical(variable.name): variable for variable in theirs.variables}
        if not known:  # files from before the standard: it reads nothing in them
            continue
        assert known.keys() | ours.of_role(Role.LOOKUP).keys() == ours.variables.keys(), path.name
        for name, other in known.items():
            mine = ours[name]
            assert mine.dimensions == tuple(map(canonical, other.dimensions))
            assert (mine.units or "").lower() == (other.units or "").lower()
            if mine.role is Role.STOCK:
                assert (mine.inflows, mine.outflows) == (
                    tuple(map(canonical, other.inflows)),
                    tuple(map(canonical, other.outflows)),
                )
        time = theirs.time_spec
        assert (ours.specs.start, ours.specs.stop, ours.specs.dt) == (time.start, time.stop, time.dt)
        compared += 1
    assert compared > 40


@pytest.mark.requires("bad_inputs")
def test_bad_inputs_do_as_their_index_says(bad_inputs: Path) -> None:
    later = {"circular", "self_reference", "unknown_function"}  # found by the checks, in a model that reads
    with open(bad_inputs / "index.csv", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["file"].startswith("xmile/")]
    assert rows
    for row in rows:
        path = bad_inputs / row["file"]
        model, findings = _outcome(path)
        assert all(finding.reason and finding.repair and finding.element for finding in findings if model is not None), path.name
        if model is None:
            assert row["expect"] != "ok", path.name
        else:
            assert row["expect"] != "error" or any(word in path.stem for word in later), path.name
            assert len(findings) == ("one warning" in row["must"] or "with a warning" in row["must"]), path.name


# --- damage ----------------------------------------------------------------------------------------------------------

_BITS = [
    "<",
    ">",
    "/",
    '"',
    "&",
    "&amp;",
    "]]>",
    "<!--",
    "{",
    "}",
    "(",
    "[",
    ",",
    "1e999",
    "-",
    "\u00e9",
    "\0",
    " ",
    "<eqn>",
    "</aux>",
    "NaN",
]


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_gives_a_model_or_findings(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([CLINIC, (FIXTURES / "modules.stmx").read_text(encoding="utf-8")]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.sampled_from(_BITS) | st.just("")) + text[end:]
    path = tmp_path / "damaged.xmile"
    path.write_bytes(text.encode())
    with suppress(ModelError):
        read_xmile(path, DEFAULT)


_WORDS = re.compile(r'(?<==")[^"]*(?=")|(?<=>)[^<>]+(?=<)')


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_gives_a_model_or_findings(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([CLINIC, (FIXTURES / "modules.stmx").read_text(encoding="utf-8")]))
    spots = [match.span() for match in _WORDS.finditer(text)]
    start, end = data.draw(st.sampled_from(spots))
    other = data.draw(
        st.sampled_from([text[i:j] for i, j in spots])
        | st.sampled_from(["", "0", "-1", "1e308", "a.b", ".", "&quot;&quot;", "x[1:2]", "_"])
    )
    path = tmp_path / "damaged.xmile"
    path.write_bytes((text[:start] + other + text[end:]).encode())
    with suppress(ModelError):
        read_xmile(path, DEFAULT)
