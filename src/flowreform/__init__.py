"""flowreform: stock-and-flow models of moving care out of hospital.

A model is an XMILE file, an experiment a TOML file, a result an xarray Dataset::

    import flowreform as fr

    model = fr.read_model("va_transformation")
    for finding in fr.check(model):
        print(finding)
    ds = fr.simulate(model, {"share_of_savings_reinvested": [0.0, 0.4, 0.8]})
    exp = fr.read_experiment("va_beds_to_community")
    kpis = fr.kpis(fr.run(exp), exp)
    delta = fr.contrast(kpis, baseline="as_was")

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Experiment": "experiment",
    "ExperimentError": "errors",
    "Finding": "errors",
    "FlowreformError": "errors",
    "InternalError": "errors",
    "Model": "model",
    "ModelError": "errors",
    "assess": "analyse.assessment",
    "bands": "analyse.sensitivity",
    "beats": "analyse.sensitivity",
    "check": "findings",
    "contrast": "kpi",
    "draws": "sampling",
    "fit": "analyse.fitting.estimate",
    "kpis": "kpi",
    "loops": "analyse.dominance",
    "open_sweep": "sweeps",
    "page": "pages.form",
    "plan": "analyse.planning",
    "probabilities": "analyse.sensitivity",
    "read_case": "case",
    "read_experiment": "experiment",
    "read_model": "formats",
    "read_netcdf": "results",
    "report": "pages.assemble",
    "run": "runs",
    "sensitivity": "analyse.sensitivity",
    "sensitivity_of": "analyse.sensitivity",
    "simulate": "runs",
    "start": "analyse.start",
    "sweep": "sweeps",
    "to_xlsx": "export.workbook.write",
    "write_model": "formats.writer",
    "write_netcdf": "results",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from flowreform.analyse.assessment import assess as assess
    from flowreform.analyse.dominance import loops as loops
    from flowreform.analyse.fitting.estimate import fit as fit
    from flowreform.analyse.planning import plan as plan
    from flowreform.analyse.sensitivity import beats as beats
    from flowreform.analyse.sensitivity import probabilities as probabilities
    from flowreform.analyse.sensitivity import sensitivity as sensitivity
    from flowreform.analyse.sensitivity import sensitivity_of as sensitivity_of
    from flowreform.analyse.sensitivity.chances import bands as bands
    from flowreform.analyse.start import start as start
    from flowreform.case import read_case as read_case
    from flowreform.errors import ExperimentError as ExperimentError
    from flowreform.errors import Finding as Finding
    from flowreform.errors import FlowreformError as FlowreformError
    from flowreform.errors import InternalError as InternalError
    from flowreform.errors import ModelError as ModelError
    from flowreform.experiment import Experiment as Experiment
    from flowreform.experiment import read_experiment as read_experiment
    from flowreform.export.workbook.write import to_xlsx as to_xlsx
    from flowreform.findings import check as check
    from flowreform.formats import read_model as read_model
    from flowreform.formats.writer import write_model as write_model
    from flowreform.kpi import contrast as contrast
    from flowreform.kpi import kpis as kpis
    from flowreform.model import Model as Model
    from flowreform.pages.assemble import report as report
    from flowreform.pages.form import page as page
    from flowreform.results import read_netcdf as read_netcdf
    from flowreform.results import write_netcdf as write_netcdf
    from flowreform.runs import run as run
    from flowreform.runs import simulate as simulate
    from flowreform.sampling import draws as draws
    from flowreform.sweeps import open_sweep as open_sweep
    from flowreform.sweeps import sweep as sweep


def __getattr__(name: str) -> Any:
    """A public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
