"""A Dataset against the arrays it was made of, and a netCDF file against the Dataset it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from flowreform.errors import ExperimentError, ModelError
from flowreform.model import Dimension, Equation, Model, Number, Role, SimSpecs, Variable
from flowreform.results import command_text, dataset, provenance, read_netcdf, write_netcdf


def variable(name: str, role: Role, dimensions: tuple[str, ...] = (), units: str | None = "bed", doc: str = "") -> Variable:
    return Variable(name, name.replace("_", " ").title(), role, (Equation("1", Number(1.0)),), dimensions, units, doc)


MODEL = Model(
    name="small",
    specs=SimSpecs(0.0, 4.0, 0.25, time_unit="month"),
    variables={
        item.name: item
        for item in (
            variable("beds", Role.STOCK, doc="Beds that are open."),
            variable("users", Role.AUXILIARY, ("network", "age"), "person"),
            variable("pairs", Role.AUXILIARY, ("network", "network"), None),
            variable("stay", Role.PARAMETER, units="month"),
            variable("share", Role.PARAMETER, ("network",), "dimensionless"),
            variable("network", Role.AUXILIARY),
        )
    },
    dimensions={
        "network": Dimension("network", "Network", ("losing", "gaining")),
        "age": Dimension("age", "Age", ("young", "old", "oldest")),
    },
    sha256="abc",
)
TIMES = np.arange(5.0)
NUMBERS = np.random.default_rng(1)
BEDS = NUMBERS.random((5, 6))  # time, run
USERS = NUMBERS.random((2, 3, 5, 6))  # network, age, time, run


def made() -> xr.Dataset:
    return dataset(
        MODEL,
        TIMES,
        {"beds": BEDS, "users": USERS},
        scenarios={"as_was": "As it was", "close_first": "Close first"},
        inputs={
            "stay": np.array([1.0, 2.0, 3.0]),
            "share[losing]": np.array([0.1, 0.2, 0.3, 0.5, 0.5, 0.5]),
            "share[gaining]": np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3]),
        },
        failed={
            "failed": np.array([False, False, True, False, False, False]),
            "failed_variable": np.array(["", "", "beds", "", "", ""]),
        },
        provenance={"model": "small", "seed": 7, "dt": 0.25, "title": "Vétérans", "nothing": None},
    )


def test_run_r_is_scenario_and_draw_in_row_major_order() -> None:
    ds = made()
    assert ds["beds"].dims == ("scenario", "draw", "time")
    assert ds["users"].dims == ("scenario", "draw", "time", "network", "age")
    for run in range(6):
        one = ds.isel(scenario=run // 3, draw=run % 3)
        np.testing.assert_array_equal(one["beds"], BEDS[:, run])
        np.testing.assert_array_equal(one["users"].sel(network="gaining", age="old"), USERS[1, 1, :, run])


def test_nothing_is_copied() -> None:
    assert np.shares_memory(made()["beds"].values, BEDS)


def test_units_labels_and_coordinates() -> None:
    ds = made()
    assert ds["beds"].attrs == {"units": "bed", "long_name": "Beds", "description": "Beds that are open.", "role": "stock"}
    assert ds["time"].attrs == {"units": "month", "long_name": "time"}
    assert list(ds["scenario"].values) == ["as_was", "close_first"]
    assert list(ds["scenario_label"].values) == ["As it was", "Close first"]
    assert list(ds["age"].values) == ["young", "old", "oldest"]
    assert ds.attrs == {"model": "small", "seed": 7, "dt": 0.25, "title": "Vétérans"}


def test_inputs_have_a_scenario_only_where_scenarios_differ() -> None:
    ds = made()
    assert ds["stay"].dims == ("draw",)
    assert ds["share[gaining]"].dims == ("draw",)
    assert ds["share[losing]"].dims == ("scenario", "draw")
    np.testing.assert_array_equal(ds["share[losing]"], [[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    assert ds["share[losing]"].attrs["long_name"] == "Share[losing]"


def test_runs_without_scenarios() -> None:
    ds = dataset(MODEL, TIMES, {"beds": BEDS}, inputs={"stay": np.arange(6.0)})
    assert ds["beds"].dims == ("run", "time")
    assert ds["stay"].dims == ("run",)
    assert list(ds["run"].values) == list(range(6))


def test_a_dimension_that_stands_twice_gets_two_names() -> None:
    ds = dataset(MODEL, TIMES, {"pairs": NUMBERS.random((2, 2, 5, 1))})
    assert ds["pairs"].dims == ("run", "time", "network", "network_2")
    assert list(ds["network_2"].values) == ["losing", "gaining"]


def test_a_variable_named_like_a_dimension_is_refused() -> None:
    with pytest.raises(ModelError, match="need this name"):
        dataset(MODEL, TIMES, {"network": BEDS})


def test_netcdf_and_back_is_the_same_dataset(tmp_path: Path) -> None:
    ds = made()
    ds["beds"].values[0, 1, 2] = np.nan
    write_netcdf(ds, tmp_path / "results.nc")
    back = read_netcdf(tmp_path / "results.nc")
    xr.testing.assert_identical(back, ds)
    assert {name: back[name].dtype.kind for name in back.variables} == {name: ds[name].dtype.kind for name in ds.variables}
    assert {key: type(value) for key, value in back.attrs.items()} == {key: type(value) for key, value in ds.attrs.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["results.nc"]
    with xr.open_dataset(tmp_path / "results.nc", engine="h5netcdf") as plain:  # a stranger's way in
        assert plain.attrs["title"] == "Vétérans"


@pytest.mark.parametrize("unit", ["day", "days", "hours"])
def test_a_time_unit_of_days_stays_a_number(tmp_path: Path, unit: str) -> None:
    model = Model("d", SimSpecs(0.0, 4.0, 1.0, time_unit=unit), MODEL.variables, MODEL.dimensions)
    ds = dataset(model, TIMES, {"beds": BEDS})
    write_netcdf(ds, tmp_path / "d.nc")
    xr.testing.assert_identical(read_netcdf(tmp_path / "d.nc"), ds)


def test_a_file_that_is_no_netcdf_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(b"not netcdf")
    with pytest.raises(ExperimentError, match="not a netCDF"):
        read_netcdf(tmp_path / "x.nc")
    with pytest.raises(ExperimentError, match="no such file"):
        read_netcdf(tmp_path / "none.nc")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.nc"
    write_netcdf(made(), path)
    old = path.read_bytes()
    bad = made().assign(broken=("draw", np.array([object(), 1, 2], dtype=object)))
    with pytest.raises((TypeError, ValueError)):
        write_netcdf(bad, path)
    assert path.read_bytes() == old
    assert [item.name for item in tmp_path.iterdir()] == ["results.nc"]


def test_provenance_has_no_clock_and_no_paths() -> None:
    found = provenance(MODEL, engine="python", command="flowreform run small")
    assert found["model_sha256"] == "abc"
    assert (found["dt"], found["method"], found["engine"]) == (0.25, "euler", "python")
    assert "numpy" in str(found["versions"])
    assert found == provenance(MODEL, engine="python", command="flowreform run small")


def test_a_command_loses_its_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "/usr/bin/flowreform",
        "run",
        str(tmp_path / "e" / "x.toml"),
        "-o",
        "/somewhere/else/out",
        f"--map={tmp_path}/m.toml",
    ]
    words += ["--set", "stay=6.5 day"]
    assert command_text(words) == "flowreform run e/x.toml -o out --map=m.toml --set 'stay=6.5 day'"


@pytest.mark.parametrize("place", range(0, 6000, 371))
def test_a_flipped_bit_is_damage_in_words(tmp_path: Path, place: int) -> None:
    """HDF5 reads some damaged files for ever: the checksum behind the content is looked at first."""
    ds = xr.Dataset({"a": (("run", "time"), np.arange(6.0).reshape(2, 3))}, coords={"time": [0.0, 1.0, 2.0]})
    write_netcdf(ds, tmp_path / "r.nc")
    assert read_netcdf(tmp_path / "r.nc").identical(ds)
    data = bytearray((tmp_path / "r.nc").read_bytes())
    data[place % (len(data) - 90)] ^= 4
    (tmp_path / "r.nc").write_bytes(data)
    with pytest.raises(ExperimentError, match="damaged"):
        read_netcdf(tmp_path / "r.nc")
