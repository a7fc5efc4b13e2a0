"""The command line: what can be asked and with which options. What is done stands in `commands`, imported when asked for.

This module imports nothing heavy, so that `flowreform --help` answers at once. It is as long as the list of options that people
read there, and decides nothing.
"""

from __future__ import annotations

import gc
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from flowreform.commands.arguments import decimal, whole
from flowreform.commands.kinds import suffixes, taking
from flowreform.commands.surroundings import leave_settings_unread, require_a_current_folder
from flowreform.commands.terminal import command, outcome

HELP = """Stock-and-flow models of moving health care out of hospital: run them, check them, compare policies.

A bare word is the name of a bundled model or experiment; anything with a separator or a suffix is a path.

\b
Start here:
  flowreform models
  flowreform run va_beds_to_community -o out
  flowreform show va_transformation
"""

EPILOG = """\b
Exit codes:
  0    done
  1    the input is wrong: one line per fault on standard error
  2    usage
  3    finished, but some runs failed (named)
  4    compared and different
  130  interrupted (143: terminated)
  70   a fault of flowreform's own
"""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _methods() -> list[str]:
    """The methods of sensitivity analysis: read from their table when somebody asks, since it brings numpy."""
    from flowreform.analyse.sensitivity.methods import METHODS

    return list(METHODS)


def _method(name: str) -> str:
    """A method's name. Raises BadParameter, which ends with 2, for any other."""
    if name not in _methods():
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(_methods())}.")
    return name


class WithMethods(TyperCommand):
    """A command whose help names the methods that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for option in self.params:
            if option.name == "method":
                option.metavar = "|".join(_methods())
        super().format_help(ctx, formatter)


class Engine(StrEnum):
    """What does the arithmetic."""

    AUTO = "auto"
    PYTHON = "python"
    NUMBA = "numba"
    PYSD = "pysd"


ENGINE_HELP = (
    "What does the arithmetic; auto chooses by the number of runs. pysd builds Python from the model's text and runs it: only "
    "for a model that you would run as a program."
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for scripts.")]
AnyName = Annotated[str, typer.Argument(metavar="MODEL|EXPERIMENT", help="A bundled name, or a path.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name, or a path to .xmile, .stmx or .mdl.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter another value, in all runs; a unit may follow."),
]
Draws = Annotated[
    int | None, typer.Option(parser=whole(1), metavar="N", help="How many draws of the uncertainties, instead of the file's.")
]
Save = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Keep this variable (repeatable).")]
NoiseSeed = Annotated[
    int | None,
    typer.Option(
        "--noise-seed",
        parser=whole(0),
        metavar="SEED",
        help="Let the model's random functions draw before each run, from this seed; without it they are refused.",
    ),
]
SaveEvery = Annotated[
    float | None, typer.Option(parser=decimal, metavar="TIME", help="Keep one value for each of this much model time.")
]


def _version(wanted: bool) -> None:
    if wanted:
        from flowreform.commands.catalogue import version

        typer.echo(f"flowreform {version()}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options that stand before a command."""


@app.command(epilog="Example: flowreform models --json")
@command
def models(json: Json = False) -> int | None:
    """What models are bundled, one line each."""
    from flowreform.commands.catalogue import models

    return models(as_json=json)


@app.command(epilog="Example: flowreform experiments va_beds_to_community --write mine.toml")
@command
def experiments(
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Copy one to start from (.toml), or run all and write their answers (.md)."),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one to write, where there are several.")] = None,
    json: Json = False,
) -> int | None:
    """What experiments are bundled, and the question of each."""
    from flowreform.commands.catalogue import experiments

    return experiments(write=write, name=name, as_json=json)


@app.command(
    short_help="What a model or an experiment holds.",
    epilog="Examples: flowreform show va_transformation; flowreform show va_transformation treatment_stay_at_start",
)
@command
def show(
    name: AnyName,
    variable: Annotated[str | None, typer.Argument(metavar="[VARIABLE]", help="One variable or parameter of it.")] = None,
    json: Json = False,
) -> int | None:
    """What a model or an experiment holds, with units, ranges and sources.

    Of a variable: its equation, what it depends on, what uses it, and the feedback loops through it.
    """
    from flowreform.commands.inspect import show

    return show(name, variable, as_json=json)


@app.command(
    short_help="Draw a model: overview, sheets, loop cards.",
    epilog="Examples: flowreform diagram care_shift -o overview.svg; flowreform diagram care_shift -o care_shift.html; "
    "flowreform diagram care_shift -o loops.svg --loops; flowreform diagram care_shift --sheet beds",
)
@command
def diagram(
    name: ModelName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to: .svg for one drawing, .html for all. Words when missing."),
    ] = None,
    sheet: Annotated[str, typer.Option(metavar="SECTOR", help="The sheet of one sector.")] = "",
    loops: Annotated[bool, typer.Option("--loops", help="The loops that the case names, a card for each.")] = False,
    json: Json = False,
) -> int | None:
    """Draw a model: what flows where, a sheet for each sector with what acts on what, a card for each loop.

    A sheet shows the auxiliaries on feedback loops and those that are reported. A link has a sign where it is the same along
    all runs of the model, its settings and gates. Every drawing also comes in words, which are printed where no file is named.
    """
    from flowreform.commands.structure import diagram

    return diagram(name, output, sheet=sheet, cards=loops, as_json=json)


@app.command(
    short_help="Which feedback loops drive a model, or one stock, and when.",
    epilog="Examples: flowreform loops care_shift improvers --scenario build_first; "
    "flowreform loops care_shift open_staffed_beds --scenario build_first; flowreform loops mental_health_shift site_beds",
)
@command
def loops(
    name: AnyName,
    stock: Annotated[str, typer.Argument(metavar="[STOCK]", help="Only the loops through this stock, or element of one.")] = "",
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="A scenario of the experiment, or a gate of the model; the baseline when missing.")
    ] = "",
    set_: Settings = None,
    json: Json = False,
) -> int | None:
    """Which feedback loops drive a model, or one stock of it, and when, by Loops That Matter: a sentence for each change.

    A loop's share is its score over the sum of the sizes of all scores. It says which loop is behind the changes of a run, not
    whether they are large; a system at rest has no scores.
    """
    from flowreform.commands.structure import loops

    return loops(name, stock, scenario=scenario, settings=tuple(set_ or ()), as_json=json)


@app.command(
    short_help="Find faults without running.",
    epilog="Examples: flowreform check my_model.xmile; flowreform check old_model.mdl --portable",
)
@command
def check(
    name: AnyName,
    portable: Annotated[
        bool, typer.Option("--portable", help="Only what Stella, Vensim, PySD and simlin do with what the model uses.")
    ] = False,
    noise_seed: NoiseSeed = None,
    json: Json = False,
) -> int | None:
    """Find faults without running: names, units, loops, delays against dt, ranges, documentation."""
    from flowreform.commands.quality import check, portable_to

    return portable_to(name, as_json=json) if portable else check(name, noise_seed=noise_seed, as_json=json)


@app.command(short_help="Run a model against what was observed.", epilog="Example: flowreform assess va_transformation")
@command
def assess(
    name: ModelName,
    battery: Annotated[
        bool, typer.Option("--battery", help="Also the standard battery of model tests: conservation, extremes, dt and more.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the battery as Markdown, with what needs a person.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Compare with PySD over the whole horizon; this takes minutes.")] = False,
    json: Json = False,
) -> int | None:
    """Run a model against what was observed: reference data, targets, gates, and other simulators."""
    from flowreform.commands.quality import assess

    return assess(name, tests=battery, full=full, markdown=markdown, as_json=json)


@app.command(
    short_help="A decision paper with a live model, as one HTML file.",
    epilog="Examples: flowreform report va_beds_to_community -o report.html; "
    "flowreform report stroke_northumbria -o report.html --draws 100",
)
@command
def report(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT|MODEL|DIR", help="A bundled name, a path, or a sweep's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to, a name that ends in .html.")],
    set_: Settings = None,
    draws: Draws = None,
    json: Json = False,
) -> int | None:
    """Run an experiment and write its report: two printed pages for those who decide, and a page to try it out.

    The paper is complete without JavaScript: the question, the answer, the options side by side, money by year, what could
    turn the order, what the ranges leave out, what was checked. On the screen follow the model with its levers, its diagrams,
    the inputs with their sources, and how it was made. The page opens from a mail attachment and needs no network. [paper] of
    the experiment says which options and outcomes it shows, and the answer.
    """
    from flowreform.commands.report import report
    from flowreform.commands.run import Options

    return report(name, output, Options(settings=tuple(set_ or ()), draws=draws, as_json=json))


@app.command(
    short_help="A form to enter a system and try a plan, as one HTML file.",
    epilog="Examples: flowreform page care_shift -o care_shift.html; flowreform page my_system.xlsx -o my_system.html",
)
@command
def page(
    name: Annotated[str, typer.Argument(metavar="MODEL|EXPERIMENT|FORM", help="A bundled name, or a path.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to, a name that ends in .html.")],
    draws: Draws = None,
    json: Json = False,
) -> int | None:
    """Write a page in which somebody without Python enters the counts of a system and tries a plan.

    The page has the fields of the spreadsheet form (`flowreform new`), says whether the counts agree (`flowreform start`), and
    runs the model while levers move. It opens from a mail attachment and needs no network. What it copies is an experiment file:
    `flowreform run` gives the numbers of the page. A model begins with a blank form, an experiment or a filled form with its
    numbers.
    """
    from flowreform.commands.report import page

    return page(name, output, draws=draws, as_json=json)


@app.command(
    short_help="The assurance log of an experiment, to be signed.",
    epilog="Examples: flowreform qa va_beds_to_community -o qa.md; flowreform qa stroke_northumbria -o qa.md --quick",
)
@command
def qa(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT|MODEL", help="A bundled name, or a path.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to, a name that ends in .md.")],
    quick: Annotated[bool, typer.Option("--quick", help="Do not assess the model; the log says that it was not run.")] = False,
    json: Json = False,
) -> int | None:
    """Write an assurance log: the STRESS-SD checklist, what was verified and validated, what those who decide ask for.

    It checks the model and assesses it against its targets, its gates and two other simulators. What no machine can say reads
    "for a person: ..."; nothing is claimed that was not run.
    """
    from flowreform.commands.assurance import qa

    return qa(name, output, quick=quick, as_json=json)


@app.command(
    short_help="Write a model or its results as a file for other programs.",
    epilog="Examples: flowreform export va_beds_to_community -o results.csv; "
    "flowreform export va_beds_to_community -o results.kpis.csv; "
    "flowreform export care_shift_build_or_close_first -o plan.xlsx --scenario build_first; "
    "flowreform export care_shift_build_or_close_first -o results.xlsx --values; "
    "flowreform export care_shift -o plan_filled.xlsx --template plan.xlsx --map map.toml; "
    "flowreform export va_beds_to_community --into my_plan.xlsx --sheet Beds; "
    "flowreform export old_model.mdl -o new_model.xmile",
)
@command
def export(
    name: Annotated[str, typer.Argument(metavar="MODEL|EXPERIMENT|DIR", help="A bundled name, a path, or a sweep's folder.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=f"Where to; its suffix says what: {' '.join(suffixes())}."),
    ] = None,
    kpis: Annotated[
        bool, typer.Option("--kpis", help=f"The KPI table, one row per run, and not the tidy table ({taking('kpis')}).")
    ] = False,
    values: Annotated[
        bool, typer.Option("--values", help=f"A workbook of results without formulas ({taking('values')}).")
    ] = False,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Fill this workbook of yours ({taking('template')}) with yearly results.")
    ] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="Which result goes into which of its cells (.toml).")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Put yearly results on a sheet of this workbook of yours ({taking('into')}), in place."
        ),
    ] = None,
    sheet: Annotated[str | None, typer.Option(metavar="NAME", help="With --into: that sheet, flowreform when missing.")] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME", help="Live workbook: the scenario it opens with; the baseline when missing.")
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(
            parser=decimal, metavar="DT", help="Live workbook: a coarser step, for a smaller file; Checks shows what it costs."
        ),
    ] = None,
    set_: Settings = None,
    engine: Annotated[Engine, typer.Option(help=ENGINE_HELP)] = Engine.AUTO,
    draws: Draws = None,
    save: Save = None,
    save_every: SaveEvery = None,
    noise_seed: NoiseSeed = None,
    json: Json = False,
) -> int | None:
    """Write a workbook of formulas (.xlsx) or of values, results as a tidy table (.csv, .parquet), netCDF (.nc), or XMILE.

    The workbook of formulas is the model with its scenarios: it recalculates in any spreadsheet, without macros or links. The
    tidy table has one row for every scenario, draw, time and variable. An existing file is replaced in one step.
    """
    from flowreform.commands.export import Asked, export
    from flowreform.commands.run import Options

    where = output or into
    if where is None:
        raise typer.BadParameter("give -o FILE, or --into FILE for a sheet in a workbook of yours.")
    options = Options(None, tuple(set_ or ()), engine.value, draws, tuple(save or ()), save_every, json, noise_seed)
    return export(name, Asked(where, options, kpis, values, template, map_, scenario, dt, into, sheet))


@app.command(
    short_help="Fit parameters of a model to what was observed.",
    epilog="Examples: flowreform fit mental_health_shift; flowreform fit my_model.xmile --write --chart fit.png; "
    "flowreform fit mental_health_shift --check",
)
@command
def fit(
    name: ModelName,
    write: Annotated[bool, typer.Option("--write", help="Write the values into the model, their origin into its case.")] = False,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw fit against data as a PNG.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only test whether the model's own values are still a best fit.")
    ] = False,
    posterior: Annotated[
        bool, typer.Option("--posterior", help="Sample what the data leave open, from the case's uncertainties and ranges.")
    ] = False,
    draws: Annotated[
        int, typer.Option(parser=whole(16, 100_000), metavar="N", help="With --posterior: how many draws are kept.")
    ] = 512,
    iterations: Annotated[
        int, typer.Option(parser=whole(250), metavar="N", help="With --posterior: most iterations of each walker.")
    ] = 8_000,
    chain: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --posterior: keep chains there that have not converged, and go on from them."),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Months that a system counted (CSV): calibrate an experiment's system to them."),
    ] = None,
    json: Json = False,
) -> int | None:
    """Fit the parameters that [fit] of the case file names to its series, by least squares within their ranges.

    Prints values, how well the data determine them, and the error of every series. Nothing is written without --write.
    --check does not search: it takes one step from the model's values, and ends with 4 when that gains over 1 %.

    With --history the system of an experiment is calibrated to its own months and tested on the last six; --write keeps the
    draws beside its file and names them there, so that every later run takes them.
    """
    if history is not None:
        from flowreform.commands.fit import calibrate

        if check or posterior or chain is not None:
            raise typer.BadParameter("--history goes without --check, --posterior and --chain.")
        return calibrate(name, history, write=write, chart=chart, draws=draws, iterations=iterations, as_json=json)
    from flowreform.commands.fit import check as still_best
    from flowreform.commands.fit import fit

    if posterior:
        from flowreform.commands.fit import check_posterior
        from flowreform.commands.fit import posterior as sample

        if check:
            return check_posterior(name, as_json=json)
        return sample(name, write=write, chart=chart, draws=draws, iterations=iterations, as_json=json, chain=chain)
    return still_best(name, as_json=json) if check else fit(name, write=write, chart=chart, as_json=json)


@app.command(
    short_help="Run a model once, an experiment, or what a workbook holds.",
    epilog="Examples: flowreform run va_beds_to_community -o out; flowreform run plan.xlsx; "
    "flowreform run va_transformation --set share_of_savings_reinvested=0; "
    'flowreform run care_shift --set "months_on_planned_list=100 day" --save staffed_beds --save-every 12',
)
@command
def run(
    name: Annotated[
        str, typer.Argument(metavar="MODEL|EXPERIMENT|FILE.xlsx", help="A bundled name, a path, or a live workbook.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write results.nc, kpis.csv, summary.md and chart.png there."),
    ] = None,
    set_: Settings = None,
    engine: Annotated[Engine, typer.Option(help=ENGINE_HELP)] = Engine.AUTO,
    draws: Draws = None,
    save: Save = None,
    save_every: SaveEvery = None,
    noise_seed: NoiseSeed = None,
    json: Json = False,
) -> int | None:
    """Run a model once, or an experiment over all its scenarios and draws.

    Of a live workbook the inputs and the chosen scenario are read back from its cells, and the model is run once with them.
    """
    from flowreform.commands.run import Options, run

    options = Options(output, tuple(set_ or ()), engine.value, draws, tuple(save or ()), save_every, json, noise_seed)
    return run(name, options)


@app.command(
    short_help="A form to fill, or a starter experiment.",
    epilog="Examples: flowreform new my_system.xlsx --model care_shift; flowreform new my_copy.toml --from an_ordinary_system",
)
@command
def new(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .xlsx is a form, .toml an experiment file.")],
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model, a bundled name or a path.")] = "care_shift",
    from_: Annotated[
        str, typer.Option("--from", metavar="EXPERIMENT", help="Begin with an experiment, or with a form that was filled.")
    ] = "",
    json: Json = False,
) -> int | None:
    """Write a form for a system of your own, a sheet for each owner of numbers, or an experiment file with the same content.

    No field is compulsory: a blank takes the national value, shown in grey beside it, at the size of the system. run, start,
    report and export take the filled form as they take an experiment file.
    """
    from flowreform.commands.new import new

    return new(output, model, from_, as_json=json)


@app.command(epilog="Example: flowreform schema -o experiment.schema.json")
@command
def schema(
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model whose fields [system] has.")] = "care_shift",
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; printed when missing.")] = None,
    json: Json = False,
) -> int | None:
    """The JSON schema of experiment files, [system] included, with which editors complete and check them."""
    from flowreform.commands.new import schema

    return schema(model, output)


@app.command(
    short_help="What a system's numbers come to, before anything is run.",
    epilog="Examples: flowreform start care_shift --quick; flowreform start an_ordinary_system",
)
@command
def start(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT|MODEL", help="A bundled name, or a path.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Without the inputs that move the answer most: one step is run.")
    ] = False,
    json: Json = False,
) -> int | None:
    """The solved start of a system beside what was counted, before anything is run.

    Beds over discharges is the stay, delayed over discharges the wait: where two counts do not agree, it says by how much and
    what to change. Stay and delays are shown beside the median and the best quarter of real systems; then the ten inputs that
    move the answer most, each over its range alone.
    """
    from flowreform.commands.start import start

    return start(name, quick=quick, as_json=json)


@app.command(
    short_help="The latest safe start, the least fund, and what would break it.",
    epilog="Examples: flowreform plan care_shift_plan -o out; flowreform plan care_shift_plan --quick --json",
)
@command
def plan(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="An experiment with [plan]: a bundled name, or a path.")],
    full: Annotated[bool, typer.Option("--full", help="Try every plan where there are up to 4,000.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Find and prove the plan, and leave the further questions out.")] = False,
    set_: Settings = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write plan.toml, plan.md, plans.csv and pictures there."),
    ] = None,
    json: Json = False,
) -> int | None:
    """The best plan that keeps its promises in enough runs, found on some draws and proved on others.

    What may be decided, what must be kept and what is wanted stand in [plan] of the experiment: docs/how_to_plan.md. Then what
    each promise costs, which one binds, when to start at the latest, what would turn the answer, and what breaks the plan.
    """
    from flowreform.commands.plan import PlanOptions, plan

    return plan(name, PlanOptions(output, full, quick, json, tuple(set_ or ())))


@app.command(
    cls=WithMethods,
    short_help="What matters to an experiment's KPIs, and when.",
    epilog="Examples: flowreform sensitivity va_beds_to_community --scenario as_was; "
    "flowreform sensitivity care_shift_build_or_close_first --contrast build_first close_first -o out; "
    "flowreform sensitivity out/care --method pawn  (a finished sweep, nothing is run)",
)
@command
def sensitivity(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT|DIR", help="An experiment, or the folder of a sweep.")],
    method: Annotated[
        str | None,
        typer.Option(parser=_method, metavar="METHOD", help="How inputs are ranked; sobol when missing, of a sweep rbd_fast."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            parser=whole(1),
            metavar="N",
            help="Base points (sobol, dgsm), trajectories (morris) or runs; 1024 when missing. Of a sweep: draws.",
        ),
    ] = None,
    scenario: Annotated[str | None, typer.Option(metavar="NAME", help="One scenario; all of them when missing.")] = None,
    contrast: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="What decides the difference of two scenarios, A less B.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help='A target: "payback <= 60", "occupancy < 0.92 throughout" (repeatable).'),
    ] = None,
    kpi: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This KPI only (repeatable).")] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Follow this variable over time (repeatable); with -o those in charts when missing."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Vary this input only (repeatable); all else stays as the model has it."),
    ] = None,
    second_order: Annotated[bool, typer.Option("--second-order", help="Pairs of inputs too (twice the runs).")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write sensitivity.nc, tables, summary.md and pictures there."),
    ] = None,
    json: Json = False,
) -> int | None:
    """What matters to an experiment's KPIs, when it matters, and how sure that is.

    Also how often each scenario meets each target, and does better than the baseline.
    """
    from flowreform.commands.sensitivity import SensitivityOptions, sensitivity

    asked = SensitivityOptions(
        method=method,
        samples=samples,
        scenario=scenario,
        contrast=contrast,
        targets=tuple(target or ()),
        kpis=tuple(kpi or ()),
        variables=tuple(variable or ()),
        parameters=tuple(parameter or ()),
        second_order=second_order,
        output=output,
        as_json=json,
    )
    return sensitivity(name, asked)


@app.command(
    short_help="An experiment with many draws, into a folder that can be resumed.",
    epilog="Examples: flowreform sweep care_shift_build_or_close_first --draws 150000 -o out/care; "
    "flowreform sweep out/care  (go on after an interruption); "
    "flowreform sweep my_question.toml -o out/mine --scheduler tcp://10.0.0.5:8786",
)
@command
def sweep(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT|DIR", help="An experiment, or the folder of a sweep to go on with.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="The folder of the sweep.")] = None,
    draws: Draws = None,
    set_: Settings = None,
    noise_seed: NoiseSeed = None,
    workers: Annotated[
        int | None,
        typer.Option(
            parser=whole(1), metavar="N", help="Threads, or processes, of this machine; one for each processor when missing."
        ),
    ] = None,
    processes: Annotated[bool, typer.Option("--processes", help="Processes instead of threads.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler, such as tcp://host:8786. Whoever can reach it or its workers can run code there and here: "
            "only in a network you trust, or with tls:// and certificates.",
        ),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="What does the arithmetic; python and numba give the same bits.")] = Engine.AUTO,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with a sweep in DIR, or refuse to.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table; warnings only.")] = False,
    json: Json = False,
) -> int | None:
    """Run an experiment over thousands to millions of draws into a folder that can be killed, moved and resumed.

    The same command again works out only what is missing or damaged. More --draws continue a random or Sobol design.
    Ctrl-C finishes the parts in hand; a second one leaves at once. [sweep] of the experiment says what is kept.
    """
    from flowreform.commands.sweep import SweepOptions, sweep

    asked = SweepOptions(
        output, tuple(set_ or ()), draws, workers, processes, scheduler, engine.value, resume, quiet, json, noise_seed
    )
    return sweep(name, asked)


@app.command(
    short_help="Recompute and compare what flowreform wrote.",
    epilog="Examples: flowreform verify out/care; flowreform verify plan.xlsx; flowreform verify out/results.nc",
)
@command
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="The folder of a sweep, a live workbook (.xlsx), or results (.nc).")
    ],
    json: Json = False,
) -> int | None:
    """Recompute what flowreform wrote and compare; 4 when something differs.

    Of a sweep every checksum and a sample of runs; of a workbook whether its results follow from its inputs, which inputs a
    person has changed and which formulas were overwritten; of a netCDF file every run.
    """
    from flowreform.commands.verify import verify

    return verify(path, as_json=json)


def main() -> None:
    """The console script."""
    gc.set_threshold(200_000, 50, 50)  # a command makes many lasting objects and few cycles: 8 % of a short run
    leave_settings_unread()
    raise SystemExit(outcome(_run_app))


def _run_app() -> int:
    require_a_current_folder()
    app(prog_name="flowreform")
    return 0
