"""A report in a browser, as somebody uses it: by keyboard, without a network, on a small screen, without script."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import flowreform as fr

READY = "() => document.getElementById('status').textContent !== ''"

pytestmark = pytest.mark.requires("chromium", "playwright")


@pytest.fixture(scope="module")
def report(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the small experiment as a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    fr.report(fr.read_experiment(ward / "pace.toml"), path)
    return path


@pytest.fixture
def page(chrome: Any, report: Path) -> Iterator[Any]:
    """The page, opened and with its script run."""
    context = chrome.new_context()
    found = context.new_page()
    found.goto(report.as_uri())
    found.wait_for_function(READY)
    yield found
    context.close()


def test_a_lever_moves_by_keyboard_and_the_result_is_spoken(page: Any) -> None:
    before = page.inner_text("#status")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "lever0":
            break
    assert page.evaluate("document.activeElement.id") == "lever0"
    first = float(page.input_value("#lever0"))
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#lever0")) == pytest.approx(first + 0.01)
    page.keyboard.press("PageUp")
    assert float(page.input_value("#lever0")) == pytest.approx(first + 0.11)
    page.keyboard.press("End")
    assert float(page.input_value("#lever0")) == 1.0
    page.wait_for_function("was => document.getElementById('status').textContent !== was", arg=before)
    assert page.get_attribute("#lever0", "aria-valuetext") == "1.00 a month"
    assert "closure" not in page.url
    assert "0=1" in page.url


def test_what_a_moved_lever_gives_is_what_the_engine_gives(page: Any, ward: Path) -> None:
    page.fill("#levers input[type=number]", "0.02")
    page.keyboard.press("Tab")
    plan = fr.read_experiment(ward / "pace.toml").with_(scenarios={"your_plan": {"closure_rate": 0.02}})
    end = float(fr.run(plan)["open_beds"].isel(scenario=0, time=-1).median())
    page.wait_for_function(
        "text => document.getElementById('status').textContent.includes(text)", arg=f"Open beds at the end: {end:.0f} beds"
    )


def test_a_copied_experiment_is_one(page: Any, tmp_path: Path, ward: Path) -> None:
    page.fill("#levers input[type=number]", "0.025")
    page.keyboard.press("Tab")
    page.click("#copytoml")
    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes((ward / name).read_bytes())
    path = tmp_path / "plan.toml"
    path.write_text(page.input_value("#copied"), encoding="utf-8")
    experiment = fr.read_experiment(path)
    assert experiment.scenarios["your_plan"].settings == {"closure_rate": 0.025}
    assert experiment.draws == 20
    page.click("#copytable")
    assert page.input_value("#copied").startswith("Series\tAt the end")


def test_the_address_brings_the_plan_back(chrome: Any, report: Path) -> None:
    context = chrome.new_context()
    found = context.new_page()
    found.goto(f"{report.as_uri()}#option=0&0=0.03")
    found.wait_for_function(READY)
    assert found.input_value("#lever0") == "0.03"
    assert found.input_value("#option") == "0"
    context.close()


def test_nothing_is_asked_of_a_network(chrome: Any, report: Path) -> None:
    context = chrome.new_context()
    found = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    found.on("request", lambda request: asked.append(request.url))
    found.on("pageerror", lambda fault: faults.append(str(fault)))
    found.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    found.goto(report.as_uri())
    found.wait_for_function(READY)
    assert asked == [report.as_uri()]
    assert faults == []
    context.close()


def test_rules_of_access_are_kept(chrome: Any, report: Path) -> None:
    """axe-core finds nothing; without its language the page has a fault, which it finds."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    context = chrome.new_context(bypass_csp=True)  # so that the test's own script may run beside the page's
    found = context.new_page()
    found.goto(report.as_uri())
    found.wait_for_function(READY)
    found.evaluate(axe)
    assert [item["id"] for item in found.evaluate("axe.run()")["violations"]] == []
    found.evaluate("document.documentElement.removeAttribute('lang')")
    assert "html-has-lang" in [item["id"] for item in found.evaluate("axe.run()")["violations"]]
    context.close()


def test_it_fits_a_small_screen(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_paper_is_complete_without_script(chrome: Any, report: Path) -> None:
    context = chrome.new_context(java_script_enabled=False)
    found = context.new_page()
    found.goto(report.as_uri())
    text = found.inner_text("main")
    for part in ("The answer", "The options side by side", "Which way it could turn", "What was checked", "need JavaScript"):
        assert part in text
    assert found.is_hidden("#try")
    assert found.locator("section.sheet svg.chart").count() == 1
    context.close()


def test_a_frame_while_a_lever_moves_and_all_runs_after_it_are_quick(page: Any) -> None:
    """The small model; the largest bundled one is measured in `benchmarks`."""
    took = page.evaluate(
        """() => {
            const slider = document.getElementById("lever0");
            const start = performance.now();
            slider.value = 0.04;
            slider.dispatchEvent(new Event("input"));
            const later = (done) => requestAnimationFrame(() => requestAnimationFrame(done));
            return new Promise((done) => later(() => done(performance.now() - start)));
        }"""
    )
    assert took < 1500.0
