"""Runs per second: our compiled kernel, the same by hand in C, pysimlin and PySD, in one process, each with the model loaded.

    python -m pytest benchmarks --benchmark-enable --benchmark-group-by=group

`runs_per_second` stands in the extra information of each row; compare rows of one group, never numbers of two days."""

from __future__ import annotations

import ctypes
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Bench
from flowreform import engine
from flowreform.formats.expressions import parse
from flowreform.lower import lower
from flowreform.model import Equation, Model, Role, SimSpecs, Variable

NAMES = ("sir", "workforce")
SAVING = {"once a unit": True, "every step": False}


def rate(benchmark: Any, runs: int) -> None:
    """Runs per second from the fastest round."""
    if benchmark.stats is not None:
        benchmark.extra_info["runs_per_second"] = float(f"{runs / benchmark.stats.stats.min:.4g}")


@pytest.mark.parametrize("saving", SAVING)
@pytest.mark.parametrize("name", NAMES)
def test_ours(benchmark: Any, name: str, saving: str) -> None:
    bench = Bench(name, SAVING[saving])
    bench.ours()  # compiles
    benchmark.group = f"{name}, saved {saving}"
    benchmark(bench.ours)
    rate(benchmark, bench.runs)


@pytest.mark.parametrize("saving", SAVING)
@pytest.mark.parametrize("name", NAMES)
def test_c_by_hand(benchmark: Any, kernels_in_c: ctypes.CDLL, name: str, saving: str) -> None:
    bench = Bench(name, SAVING[saving])
    np.testing.assert_allclose(bench.by_hand(kernels_in_c), bench.ours(), rtol=1e-9, atol=1e-9)
    benchmark.group = f"{name}, saved {saving}"
    benchmark(bench.by_hand, kernels_in_c)
    rate(benchmark, bench.runs)


@pytest.mark.parametrize("name", NAMES)
def test_pysimlin(benchmark: Any, name: str) -> None:
    simlin = pytest.importorskip("simlin", reason="pysimlin is not installed")
    bench = Bench(name, False)
    opened = simlin.load(bench.model.path)
    benchmark.group = f"{name}, saved every step"
    benchmark(lambda: opened.run(overrides={}, analyze_loops=False).results)
    rate(benchmark, 1)


@pytest.mark.parametrize("name", NAMES)
def test_pysd(benchmark: Any, name: str, tmp_path: Path) -> None:
    bench = Bench(name, False)
    assert bench.model.path is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pysd

        opened = pysd.read_xmile(shutil.copy(bench.model.path, tmp_path))  # it writes a .py file beside the model it reads
        benchmark.group = f"{name}, saved every step"
        benchmark.pedantic(opened.run, (), {"return_columns": bench.stocks}, rounds=2, iterations=1)
    rate(benchmark, 1)


def chain(equations: int) -> Model:
    """`equations` / 2 stocks that drain into each other."""
    variables = [Variable("k", "k", Role.PARAMETER, (Equation("10", parse("10")),))]
    for i in range(equations // 2):
        inflow = (f"f{i - 1}",) if i else ()
        variables.append(
            Variable(f"x{i}", f"x{i}", Role.STOCK, (Equation("", parse(str(i))),), inflows=inflow, outflows=(f"f{i}",))
        )
        variables.append(Variable(f"f{i}", f"f{i}", Role.FLOW, (Equation("", parse(f"x{i} / k")),)))
    return Model("chain", SimSpecs(0, 100, 0.0625), {item.name: item for item in variables})


@pytest.mark.parametrize("equations", [4, 16, 64, 200])
def test_block_kernel(benchmark: Any, equations: int) -> None:
    """Variable-steps per second by size of model: where this falls off, a compiler has stopped using vector instructions."""
    program = lower(chain(equations))
    runs = 64 * 20
    inputs = np.full((1, runs), 10.0)

    def once() -> None:
        engine.simulate(program, inputs, keep=[program.places["x0"].base], every=16, engine="numba", workers=1)

    once()
    benchmark.group = "block kernel"
    benchmark(once)
    if benchmark.stats is not None:
        steps = runs * program.steps * equations
        benchmark.extra_info["variable_steps_per_second"] = round(steps / benchmark.stats.stats.min)
