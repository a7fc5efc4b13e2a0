"""The form as a page: what is typed gives the numbers that the engine gives for the experiment that the page copies."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowreform as fr
from flowreform.case.solving import FUNCTIONS, FormTables, Products, off, product, solve
from flowreform.engine.javascript import printed
from flowreform.experiment.starter import starter
from flowreform.pages.form import form_page, page_subject

READY = "() => document.getElementById('status').textContent !== ''"
TYPED = {
    "Resident population": "1480000",
    "General and acute beds open": "1703",
    "General and acute occupancy": "92.05",
    "People with no criteria to reside who remain": "182",
    "Waiting for pathway 1": "60",
    "Virtual ward beds": "496",
    "Growth of need a year": "1",
}


@pytest.fixture(scope="module")
def small() -> fr.Experiment:
    """The starter of care_shift, with as many draws as a test has time for."""
    return starter("care_shift").with_(draws=3)


@pytest.fixture(scope="module")
def form(small: fr.Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    path = tmp_path_factory.mktemp("form") / "care_shift.html"
    path.write_text(form_page(small), encoding="utf-8")
    return path


def opened(chrome: Any, form: Path) -> Any:
    """The page with its script run, and what went wrong in it."""
    page = chrome.new_page()
    page.set_default_timeout(120_000)
    page.wrong = []
    page.on("console", lambda message: page.wrong.append(message.text))
    page.on("pageerror", lambda fault: page.wrong.append(str(fault)))
    page.on("request", lambda request: page.wrong.append(request.url) if request.url != form.as_uri() else None)
    page.goto(form.as_uri())
    page.wait_for_function(READY)
    return page


def type_in(page: Any, label: str, text: str) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    box = page.get_by_label(label, exact=True)
    box.fill(text)
    box.dispatch_event("change")


def settled(page: Any) -> None:
    """When the drawing that was asked for is done."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.slow
@pytest.mark.requires("chromium", "playwright")
def test_what_is_copied_runs_as_the_page_ran(chrome: Any, form: Path, tmp_path: Path) -> None:
    page = opened(chrome, form)
    for label, text in TYPED.items():
        type_in(page, label, text)
    slider = page.locator("#lever1")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    settled(page)
    assert "All counts agree" in page.inner_text("#closes"), page.inner_text("#opens")
    page.click("#copytoml")
    path = tmp_path / "copied.toml"
    path.write_text(page.input_value("#copied"), encoding="utf-8")
    page.click("#copycourses")
    head, *lines = [line.split("\t") for line in page.input_value("#copied").split("\n")]
    page.click("#copystart")
    start = page.input_value("#copied")
    assert page.wrong == []
    page.close()

    experiment = fr.read_experiment(path)
    assert experiment.system is not None
    assert {entry.field.label for entry in experiment.system.entries.values()} >= set(TYPED)
    assert "annual_demand_growth" not in experiment.uncertainties
    ds = fr.run(experiment)
    found = np.array([[float(cell) for cell in line] for line in lines])
    np.testing.assert_array_equal(found[:, 0], ds["time"].values)
    for column, words in enumerate(head[1:], 1):
        about, who, part = words.rsplit(", ", 2)
        name = about.rpartition(" (")[2].removesuffix(")")
        scenario = "your_plan" if who == "Your plan" else experiment.baseline
        share = {"1 in 10 below": 0.1, "middle": 0.5, "1 in 10 above": 0.9}[part]
        base, _, element = name.partition("[")
        course = ds[base].sel(scenario=scenario)
        if element:
            inner = [dim for dim in course.dims if dim not in ("draw", "time")]
            course = course.sel(dict(zip(inner, element.rstrip("]").split(","), strict=True)))
        want = np.quantile(course.transpose("draw", "time").values, share, axis=0)
        np.testing.assert_allclose(found[:, column], want, rtol=0, atol=1e-9 * np.abs(want).max(), err_msg=words)
    judged = fr.start(experiment, movers=False)
    rows = {line.split("\t")[0]: line.split("\t")[1] for line in start.split("\n")}
    for line, texts in zip(judged.lines, judged.rows(), strict=True):
        assert rows[line.identity.label] == texts[1]


@pytest.mark.slow
@pytest.mark.requires("chromium", "playwright")
def test_a_start_that_does_not_add_up_is_said_in_the_words_of_start(chrome: Any, form: Path, small: fr.Experiment) -> None:
    page = opened(chrome, form)
    type_in(page, "Mean stay", "5")
    type_in(page, "Discharges a day on pathway 0", "146")
    type_in(page, "Discharges a day on pathway 1", "15.2")
    type_in(page, "Discharges a day on pathway 2", "5.93")
    type_in(page, "Discharges a day on pathway 3", "2.32")
    said = page.inner_text("#opens")
    entered = {"mean_stay": 5.0, "discharges": {"p0": 146.0, "p1": 15.2, "p2": 5.93, "p3": 2.32}}
    system = {**(small.system.table if small.system else {}), **entered}
    (line,) = fr.start(small.with_(system=system), movers=False).open
    assert line.said in said
    type_in(page, "General and acute occupancy", "930")
    assert "more than the whole" in page.inner_text("#opens")
    assert page.is_disabled("#copytoml")
    type_in(page, "General and acute occupancy", "93")
    assert not page.is_disabled("#copytoml")
    page.close()


@pytest.mark.slow
@pytest.mark.requires("chromium", "playwright")
def test_the_form_keeps_the_rules_of_access_and_of_the_network(chrome: Any, form: Path) -> None:
    page = opened(chrome, form)
    assert page.wrong == []
    page.close()
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    context = chrome.new_context(bypass_csp=True)  # so that the test's own script may run beside the page's
    page = context.new_page()
    page.goto(form.as_uri())
    page.wait_for_function(READY)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    page.evaluate(axe)
    assert [item["id"] for item in page.evaluate("axe.run()")["violations"]] == []
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()
    text = form.read_text(encoding="utf-8")
    assert len(text.encode()) < 1_500_000
    for word in ("eval(", "new Function", "atob(", "Blob", "fetch(", "XMLHttp", "import("):
        assert word not in text


@pytest.mark.requires("node")
def test_the_browser_solves_a_form_as_python_does(tmp_path: Path) -> None:
    """A made-up form in both languages: parts and totals, a quotient, a size, a rule for a blank field, numbers out of range."""
    text = printed(FUNCTIONS)
    form: dict[str, Any] = {
        "count": 5, "typed": 4,
        "products": {"factor": [1.0, 1.0, 1.0, 2.0, 0.5, 0.25], "of": [4, 4, 4, 0, 1, 0], "of_at": [0, 1, 2, 3, 4, 5, 6],
                     "over": [4], "over_at": [0, 0, 0, 0, 1, 1, 1]},
        "parts": [0, 0, 1, 1, 2, 3], "parts_at": [0, 1, 3, 4, 5, 6], "each": [0, 0, 0, 0, 0], "order": [0, 2, 1, 3, 4],
        "scalers": [0], "many_scalers": 1, "scale": [-1, -1, 0, -1, -1], "extensive": [], "many_extensive": 0,
        "extensive_with": -1, "rule": [0, 0, 0, 0, 2], "rule_own": [0, 0, 0, 0, 1], "rule_at": [5, 5, 5, 5, 5, 6],
        "low": [0.0, 0.0, 0.0, 0.5], "high": [100.0, 100.0, 100.0, 9.0],
    }  # fmt: skip
    national = [10.0, 20.0, 4.0, 3.0]
    cases: list[list[float | None]] = [
        [None] * 5, [30.0, None, None, None, None], [None, 45.0, None, None, None], [12.0, 50.0, None, 6.0, None],
        [40.0, 30.0, None, None, None], [200.0, None, None, None, 1.0], [1.0, None, None, 0.0, None],
    ]  # fmt: skip
    tables = FormTables(**{**form, "products": Products(**form["products"])})
    want = []
    for given in cases:
        entered = [float("nan") if value is None else value for value in given]
        values, held, came, wanted, sizes = [0.0] * 5, [0] * 4, [0] * 5, [float("nan")] * 5, [1.0]
        solve(tables, national, entered, values, sizes, held, came, wanted)
        want.append([*map(repr, values[:4]), *held, *came])
    script = (
        f"{text}\nconst form = {json.dumps(form)};\nconst cases = {json.dumps(cases)};\n"
        "const done = cases.map((given) => {\n"
        "const values = [], held = [], came = new Array(5).fill(0), wanted = [], sizes = [];\n"
        f"solve(form, {json.dumps(national)}, given.map((v) => v === null ? NaN : v), values, sizes, held, came, wanted);\n"
        "return [...values.slice(0, 4).map(String), ...held, ...came]; });\nconsole.log(JSON.stringify(done));\n"
    )
    path = tmp_path / "solve.js"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=60, check=True)
    found = [[*(repr(float(text.replace("Infinity", "inf"))) for text in row[:4]), *row[4:]] for row in json.loads(done.stdout)]
    assert found == want
    codes = [row[8:] for row in want]
    assert [codes[3][1], codes[4][1], codes[5][0]] == [1, 3, 4]
    assert codes[6][4] in (5, 6)
    assert [off(1.0, float("nan"), 2.0, 9.0), off(100.0, 100.4, 0.0, 1e9), off(100.0, 101.0, 0.0, 1e9)] == [-1.0, 0.0, -1.0]
    assert product(tables.products, [8.0, 0, 0, 0, 4.0], 3) == 4.0


@pytest.mark.slow
def test_a_page_begins_with_what_was_entered(small: fr.Experiment) -> None:
    given = small.with_(system={**(small.system.table if small.system else {}), "beds_open": 1703.0})
    assert page_subject(given) is given
    assert '"given":1703.0' in form_page(given.with_(draws=1, uncertainties=[]))


def test_a_model_without_a_form_is_refused() -> None:
    with pytest.raises(fr.ExperimentError, match="form"):
        fr.page("va_beds_to_community")


def test_what_a_page_cannot_repeat_is_refused(small: fr.Experiment) -> None:
    with pytest.raises(fr.ExperimentError, match="Sobol"):
        form_page(small.with_(design="sobol"))
