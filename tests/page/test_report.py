"""The page of an experiment: complete without script, two printed pages, a live model that equals the engine, nothing loaded."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from browsing import chromium
from flowreform.experiment import Experiment
from flowreform.pages.found import find
from flowreform.pages.guidance import guidance_parts
from flowreform.pages.live import live
from flowreform.pages.paper import movers, paper_of
from flowreform.pages.words import is_share, scale_of
from flowreform.text import spoken

HOSTILE = "</script><img src=x onerror=document.title='taken'>"
MOST = 1_500_000


@pytest.fixture(scope="session")
def pace(ward: Path) -> Experiment:
    """A small experiment with draws, two scenarios, a lever, no money and no conclusions."""
    return fr.read_experiment(ward / "pace.toml")


@pytest.fixture(scope="session")
def page(pace: Experiment) -> str:
    """Its page."""
    return fr.report(pace)


def opened(text: str, folder: Path, *arguments: str) -> str:
    """The page as a browser has it after its script has run."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return chromium(folder, "--virtual-time-budget=20000", *arguments, "--dump-dom", path.as_uri())


def test_the_same_bytes_in_two_processes(pace: Experiment, page: str) -> None:
    code = f"import flowreform as fr, sys; sys.stdout.buffer.write(fr.report({str(pace.path)!r}).encode())"
    again = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | {"PYTHONHASHSEED": "7"}
    ).stdout
    assert again == page.encode()


def test_nothing_is_loaded_and_nothing_is_built_from_text(page: str) -> None:
    assert len(page.encode()) < MOST
    assert "default-src 'none'" in html.unescape(page)
    outside = re.sub(r'xmlns="http://www\.w3\.org/[^"]*"|"http://www\.w3\.org/2000/svg"', "", page)
    for word in (
        "http:",
        "https:",
        "//cdn",
        "src=",
        "@import",
        "url(",
        "atob",
        "Blob",
        "eval(",
        "Function(",
        "innerHTML",
        "fetch(",
    ):
        assert word not in outside, word


def test_the_paper_says_what_came_out(page: str, pace: Experiment) -> None:
    for text in (
        "The pace of closure",
        "Does a slower pace keep beds in use?",
        "No answer has been written",
        "as planned",
        "slower",
    ):
        assert text in page
    found = find(pace)
    row = paper_of(found).rows[0]
    ends = [float(found.ds["open_beds"].sel(scenario=name).isel(time=-1).median()) for name in found.options]
    assert [cell.middle for cell in row.cells] == [f"{value:.1f}" for value in ends]
    assert row.cells[1].better == "worse in 20 of 20"


def test_the_detail_says_which_loop_leads_when(page: str, pace: Experiment) -> None:
    said = fr.loops(pace, scenario="slower").sentences()
    assert said
    detail = page[page.index("Which feedback loop leads when: slower") :]
    assert html.unescape(detail[: detail.index("</details>")]).count("<li>") == len(said)
    assert all(line in html.unescape(detail) for line in said)


def test_an_answer_that_was_written_is_the_answer(pace: Experiment) -> None:
    text = fr.report(pace.with_(paper={"answer": "Keep the pace."}))
    assert "Keep the pace." in text
    assert "No answer has been written" not in text


def test_one_run_has_a_page_too(ward: Path) -> None:
    text = fr.report(str(ward / "model.xmile"))
    assert "One run of the model" in text
    assert "Too few runs to say" in text


@pytest.mark.requires("chromium")
def test_the_page_checks_itself_and_answers(page: str, tmp_path: Path) -> None:
    done = opened(page, tmp_path)
    assert "The model in this page gives the results made by flowreform" in done
    assert re.search(r'id="status"[^>]*>20 runs\. Open beds at the end: ', done)
    assert done.count("<svg") > page.count("<svg")


@pytest.mark.requires("chromium")
def test_a_model_that_gives_other_results_is_switched_off(page: str, tmp_path: Path) -> None:
    """The mutant: one stored number is another."""
    wrong = re.sub(r'("check":\[\[100\.0,)[0-9.]+', r"\g<1>77.0", page, count=1)
    assert wrong != page
    done = opened(wrong, tmp_path)
    assert "does not give the stored results" in done
    assert 'id="try" hidden' in done


@pytest.mark.requires("chromium")
def test_labels_of_a_stranger_are_text(pace: Experiment, tmp_path: Path) -> None:
    model = pace.model
    variables = {
        name: dataclasses.replace(item, label=HOSTILE, doc=HOSTILE) if name == "open_beds" else item
        for name, item in model.variables.items()
    }
    scenarios = {
        name: dataclasses.replace(item, label=HOSTILE) if name == "slower" else item for name, item in pace.scenarios.items()
    }
    hostile = dataclasses.replace(
        pace, title=HOSTILE, question=HOSTILE, model=dataclasses.replace(model, variables=variables), scenarios=scenarios
    )
    text = fr.report(hostile)
    assert HOSTILE not in text
    done = opened(text, tmp_path)
    assert "<title>taken</title>" not in done
    assert "<img" not in done
    assert "The model in this page gives the results" in done
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;")[:20] in done.replace("'", "&#39;")


@pytest.mark.requires("chromium", "pdfinfo")
def test_it_prints_two_pages(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}", path.as_uri())
    facts = subprocess.run(["pdfinfo", str(tmp_path / "report.pdf")], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Pages:\s+2$", facts, re.MULTILINE)
    assert re.search(r"^Page size:\s+59[45][.\d]* x 84[12]", facts, re.MULTILINE)


def test_a_lever_that_was_moved_runs_as_the_engine_does(pace: Experiment, tmp_path: Path) -> None:
    """What the page copies is an experiment, and its data say which input a lever is."""
    text, data = live(find(pace))
    (lever,) = data["levers"]
    assert lever["name"] == "closure_rate"
    assert data["base"][lever["rows"][0]] == 0.05
    added = data["toml"] + '\n[scenarios.your_plan]\nlabel = "Your plan"\n\n[scenarios.your_plan.set]\n"closure_rate" = 0.02\n'
    path = tmp_path / "plan.toml"
    path.write_text(added.replace('"./', f'"{pace.model.path.parent}/' if pace.model.path else ""), encoding="utf-8")
    assert fr.read_experiment(path).scenarios["your_plan"].settings == {"closure_rate": 0.02}
    assert "closure" not in text
    json.dumps(data)


# --- words and numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "values", "share", "text"),
    [
        ("GBP", [12_345_678.0], False, "£12.3m"),
        ("GBP/month", [1_530.0], False, "£1.53k"),
        ("dimensionless", [0.9312, 0.88], True, "93.1%"),
        ("bed", [52_315.0], False, "52,300"),
        ("person", [207.4], False, "207"),
        ("person", [-3.21], False, "−3.21"),
        ("bed", [0.0], False, "0"),
        ("bed", [float("nan")], False, "–"),
    ],
)
def test_numbers_are_written_for_a_board(unit: str, values: list[float], share: bool, text: str) -> None:
    assert scale_of(unit, values, share).text(values[0]) == text


@pytest.mark.parametrize(
    ("unit", "head"),
    [("person*day", "person-days"), ("person/month", "people a month"), ("wte", "WTE"), ("GBP/(bed*month)", "£ a bed and month")],
)
def test_units_in_words(unit: str, head: str) -> None:
    assert scale_of(unit, [1.0]).head == head


def test_a_plain_number_is_a_share_where_the_model_or_its_values_say_so() -> None:
    assert is_share("dimensionless", 0.0, 1.0, [])
    assert is_share("", None, None, [0.2, 0.9])
    assert not is_share("", None, None, [0.2, 3.0])
    assert not is_share("bed", 0.0, 1.0, [0.5])


def test_names_of_a_model_read_as_words() -> None:
    assert spoken("ward_wte_per_bed") == "Ward WTE per bed"
    assert spoken("delayed_for_p1") == "Delayed for P1"


def test_what_turns_the_order_is_found(pace: Experiment) -> None:
    """Where the difference changes sign at a known value of the input, the cut is there."""
    found = find(pace.with_(draws=200))
    inputs = np.asarray(found.ds["share_in_use"].values, dtype=float)
    (line,) = movers(found, inputs - 0.85, "lower")
    cut = float(re.search(r"Below ([\d.]+)%", line[1])[1])  # type: ignore[index]
    assert cut == pytest.approx(85.0, abs=0.3)
    assert "In no run does the order flip" in movers(found, inputs, "lower")[0][1]


@pytest.mark.slow
def test_what_guidance_asks_is_worked_out_from_the_runs() -> None:
    """Margins, gaps and the fund's end, against plain arithmetic on the runs."""
    experiment = fr.read_experiment("care_shift_build_or_close_first")
    kept = {name: experiment.scenarios[name] for name in ("keep_up", "build_first")}
    found = find(experiment.with_(draws=5, scenarios=kept, paper={}))
    parts = {part.title: part for part in guidance_parts(found)}
    ds, option = found.ds.sel(scenario="build_first"), 2

    def one(name: str, element: str) -> np.ndarray:
        (inner,) = (dim for dim in ds[name].dims if dim not in ("draw", "time"))
        return np.asarray(ds[name].sel({inner: element}).transpose("draw", "time").values)

    gap = one("community_gap", "registered")
    worst = int(np.argmax(np.median(gap, axis=0)))
    (cell,) = (
        row[option] for row in parts["Staff in post against staff needed"].rows if row[0] == "Community: registered nurses"
    )
    assert cell.startswith(f"{np.median(gap, axis=0)[worst]:.2g}".partition("e")[0][:2])
    calendar = experiment.case.calendar if experiment.case else None
    assert calendar is not None
    assert cell.endswith(f"{calendar.date(float(ds['time'][worst])):%B %Y}")
    staffed = one("places_open", "home") * ds["community_staffing"].transpose("draw", "time").values
    below = float(np.median((staffed < one("caseload", "home")).sum(axis=1)))
    rows = {row[0].partition(":")[0]: row for row in parts["Places before beds"].rows if "too few" in row[0]}
    assert rows["Care at home"][option] == f"{below:.0f}"
    fund = np.median(ds["transition_fund"].transpose("draw", "time").values, axis=0)
    assert parts["The fund"].rows[0][option] == f"£{fund.max() / 1e6:.1f}m"
