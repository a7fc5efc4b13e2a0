"""Hostile files, one door each: a door is given the source folder of a flowreform and an empty folder, tries its way in, and
says what it got done, or nothing where it was kept out.

Every attempt runs in processes of its own, so that a changed copy of the source can be tried as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

WARD = Path(__file__).resolve().parents[1] / "fixtures" / "ward"
PATIENCE = 300.0
"""Seconds after which a command that should have answered hangs."""

MODEL = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>v</vendor><product version="1.0">p</product><name>m</name></header>
<sim_specs method="Euler" time_units="day"><start>0</start><stop>4</stop><dt>0.5</dt></sim_specs>
<model><variables>
<stock name="s"><doc>x\"\"\"; open({mark!r}, "w"); \"\"\"</doc><eqn>3</eqn><outflow>f</outflow><units>person</units></stock>
<flow name="f"><eqn>s*k</eqn><units>person/day</units></flow>
<aux name="k"><eqn>0.1</eqn><units>1/day</units></aux>
</variables></model></xmile>
"""
CASE = '[case]\ntitle = "t"\nquestion = "q"\n[parameters.k]\nsource = "s"\nstatus = "assumption"\n'


def environment(source: Path, folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(source), "FLOWREFORM_CACHE": str(folder / "kernels")}


def python(source: Path, folder: Path, *words: str, cwd: Path | None = None) -> tuple[int, str]:
    """The exit code and all output of Python; -1 where it did not end."""
    try:
        done = subprocess.run(
            [sys.executable, *words], cwd=cwd or folder, env=environment(source, folder), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, "it hangs"
    return done.returncode, done.stdout + done.stderr


def flowreform(source: Path, folder: Path, *words: str, cwd: Path | None = None) -> tuple[int, str]:
    return python(source, folder, "-m", "flowreform", *words, cwd=cwd)


def ran(mark: Path, what: str) -> str:
    return what if mark.exists() else ""


def swept(source: Path, folder: Path, *more: str) -> Path:
    """A finished sweep of 64 draws of the ward."""
    shutil.copytree(WARD, folder / "ward")
    code, text = flowreform(source, folder, "sweep", "ward/pace.toml", "--draws", "64", "-o", "out", "--quiet", *more)
    assert code == 0, text
    return folder / "out"


# --- code ------------------------------------------------------------------------------------------------------------


def witness(source: Path, folder: Path) -> str:
    """`assess` of a model whose documentation is Python."""
    mark = folder / "ran"
    (folder / "m.xmile").write_text(MODEL.format(mark=str(mark)), encoding="utf-8")
    (folder / "m.toml").write_text(CASE, encoding="utf-8")
    code, text = flowreform(source, folder, "assess", "./m.xmile")
    assert code in (0, 4), text
    return ran(mark, "assess ran the documentation of a model")


def recorded_engine(source: Path, folder: Path) -> str:
    """`verify` of results that say PySD made them."""
    mark = folder / "ran"
    (folder / "m.xmile").write_text(MODEL.format(mark=str(mark)), encoding="utf-8")
    (folder / "m.toml").write_text(CASE, encoding="utf-8")
    script = (
        "import flowreform as fr\nds = fr.simulate(fr.read_model('./m.xmile'))\nds.attrs['engine'] = 'pysd'\n"
        "from pathlib import Path\nfr.write_netcdf(ds, Path('r.nc'))\n"
    )
    code, text = python(source, folder, "-c", script)
    assert code == 0, text
    flowreform(source, folder, "verify", "r.nc")
    return ran(mark, "verify ran the documentation of a model")


def modules_here(source: Path, folder: Path) -> str:
    """`sweep --processes` in a folder with a numpy.py."""
    here, mark = folder / "here", folder / "ran"
    shutil.copytree(WARD, here)
    for name in ("numpy.py", "json.py", "zarr.py"):
        (here / name).write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit(3)\n", encoding="utf-8")
    words = ("sweep", "pace.toml", "--draws", "64", "-o", "out", "--processes", "--workers", "1", "--quiet")
    python(source, folder, "-P", "-m", "flowreform", *words, cwd=here)
    return ran(mark, "a worker ran a file of the current folder")


def settings_here(source: Path, folder: Path) -> str:
    """A command in a folder with settings of numba and matplotlib."""
    here = folder / "here"
    shutil.copytree(WARD, here)
    (here / ".numba_config.yaml").write_text("disable_jit: 1\ncache_dir: ./evil\n", encoding="utf-8")
    (here / "matplotlibrc").write_bytes(b"\xff\xfe text.usetex : True\n")
    code, text = flowreform(source, folder, "run", "pace.toml", "-o", "out", "--engine", "numba", cwd=here)
    return "" if code == 0 else f"settings in the current folder were read: {text}"


def codec(source: Path, folder: Path) -> str:
    """A received sweep whose arrays are zarr 2 with a codec that unpickles."""
    out, mark = swept(source, folder), folder / "ran"
    script = f"""
import hashlib, json, os, pickle, sqlite3
from pathlib import Path
os.environ["NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE"] = "1"  # as versions before 0.16 have it
class Evil:
    def __reduce__(self): return (open, ({str(mark)!r}, "w"))
place = Path("out/runs.zarr")
shapes = {{p.parent.name: json.loads(p.read_text()).get("shape") for p in place.rglob("zarr.json")}}
for path in place.rglob("zarr.json"): path.unlink()
(place / ".zgroup").write_text(json.dumps(dict(zarr_format=2)))
for name in ("status", "kpi_value", "kpi_outcome", "input_value"):
    folder = place / name
    if folder.is_dir():
        about = dict(zarr_format=2, shape=shapes[name], chunks=shapes[name], dtype="|O", compressor=None, fill_value=None,
                     order="C", filters=[dict(id="vlen-utf8"), dict(id="pickle", protocol=5)])
        (folder / ".zarray").write_text(json.dumps(about))
        (folder / ".zattrs").write_text("{{}}")
        (folder / ".".join("0" * len(shapes[name]))).write_bytes(pickle.dumps(Evil()))
with sqlite3.connect("out/ledger.sqlite") as base:
    base.execute("DELETE FROM files WHERE path LIKE 'runs.zarr/%'")
    for path in filter(Path.is_file, place.rglob("*")):
        row = (str(path.relative_to("out")), None, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        base.execute("INSERT INTO files VALUES (?, ?, ?, ?)", row)
base.close()
import flowreform as fr
ds = fr.open_sweep("out")
for name in ds.variables: ds[name].values
"""
    python(source, folder, "-c", script)
    return ran(mark, "a codec of a received sweep unpickled") or ("" if out.is_dir() else "the folder is gone")


def kernel_of_others(source: Path, folder: Path) -> str:
    """A kernel file whose checksum is not its own."""
    return _kernel(source, folder, sound=False)


def kernels_where_all_may_write(source: Path, folder: Path) -> str:
    """A kernel file in a folder to which others can write."""
    return _kernel(source, folder, sound=True)


def _kernel(source: Path, folder: Path, *, sound: bool) -> str:
    mark = folder / "ran"
    shutil.copytree(WARD, folder / "ward")
    words = ("run", "ward/pace.toml", "--engine", "numba")
    assert flowreform(source, folder, *words)[0] == 0
    script = f"import pickle\nclass E:\n def __reduce__(self): return (open, ({str(mark)!r}, 'w'))\n"
    script += "import sys; sys.stdout.buffer.write(pickle.dumps(E()))"
    body = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    kept = list((folder / "kernels").glob("*.kernel"))
    assert kept
    for path in kept:
        path.write_bytes((hashlib.sha256(body).digest() if sound else b"\0" * 32) + body)
    if sound:
        (folder / "kernels").chmod(0o777)
    code, text = flowreform(source, folder, *words)
    return ran(mark, "a kernel that others could write was loaded") or ("" if code == 0 else text)


# --- files elsewhere -------------------------------------------------------------------------------------------------


def links(source: Path, folder: Path) -> str:
    """Links under the names of temporary files."""
    out = swept(source, folder)
    names = (".experiment.toml.tmp", "runs.zarr/.zarr.json.tmp")
    (out / "experiment.toml").write_text("damaged", encoding="utf-8")
    (out / "runs.zarr" / "zarr.json").write_text("damaged", encoding="utf-8")
    return _linked(source, folder, names)


def link_for_the_lock(source: Path, folder: Path) -> str:
    """A link in place of the lock."""
    swept(source, folder)
    return _linked(source, folder, ("lock",))


def _linked(source: Path, folder: Path, names: tuple[str, ...]) -> str:
    """What a sweep writes through links to files elsewhere, or that it waits for them."""
    for name in names:
        victim, link = folder / f"{name.replace('/', '_')}.mine", folder / "out" / name
        victim.write_text("mine", encoding="utf-8")
        link.unlink(missing_ok=True)
        link.symlink_to(victim)
    code, text = flowreform(source, folder, "sweep", "ward/pace.toml", "--draws", "64", "-o", "out", "--quiet")
    changed = [path.name for path in folder.glob("*.mine") if path.read_text(encoding="utf-8") != "mine"]
    return f"written through a link: {changed}" if changed else text * (code == -1)


def folder_elsewhere(source: Path, folder: Path) -> str:
    """A folder of chunks that is a link to another place."""
    out = swept(source, folder)
    victim = folder / "victim"
    shutil.move(out / "runs.zarr" / "status", victim)
    (out / "runs.zarr" / "status").symlink_to(victim)
    for path in victim.iterdir():
        path.unlink()
    (victim / ".mine.tmp").write_text("mine", encoding="utf-8")
    flowreform(source, folder, "sweep", "ward/pace.toml", "--draws", "64", "-o", "out", "--quiet")
    found = sorted(path.name for path in victim.iterdir())
    return "" if found == [".mine.tmp"] else f"written or removed elsewhere: {found}"


def device_in_the_ledger(source: Path, folder: Path) -> str:
    """A ledger that names a device and a place outside."""
    out = swept(source, folder)
    (out / "endless").symlink_to("/dev/zero")
    with sqlite3.connect(out / "ledger.sqlite") as base:
        digest = hashlib.sha256(b"").hexdigest()
        base.execute("INSERT INTO files VALUES ('endless', NULL, 0, ?)", (digest,))
        base.execute("INSERT INTO files VALUES ('/dev/zero', NULL, 0, ?)", (digest,))
        base.execute("INSERT INTO files VALUES ('../ward/pace.toml', NULL, 5, ?)", (digest,))
    base.close()
    code, text = flowreform(source, folder, "verify", "out", "--json")
    if code == -1:
        return text
    faults = json.loads(text[text.index("{") :])["faults"]
    return "" if code == 4 and len(faults) == 3 and "bytes" not in " ".join(faults) else f"read: {faults}"


def view_in_the_ledger(source: Path, folder: Path) -> str:
    """A ledger in which a table is a view that never ends."""
    out = swept(source, folder)
    with sqlite3.connect(out / "ledger.sqlite") as base:
        base.executescript(
            "ALTER TABLE about RENAME TO hidden; CREATE VIEW about AS WITH RECURSIVE n(i) AS "
            "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'state' AS key, i AS value FROM n WHERE i < 0;"
        )
    base.close()
    code, text = flowreform(source, folder, "verify", "out")
    return "" if code == 1 and "Traceback" not in text else f"{code}: {text}"


def pipes(source: Path, folder: Path) -> str:
    """Pipes and endless devices in place of files."""
    shutil.copytree(WARD, folder / "ward")
    (folder / "ward" / "reference.csv").unlink()
    os.mkfifo(folder / "ward" / "reference.csv")
    os.symlink("/dev/zero", folder / "zero.toml")
    os.mkfifo(folder / "map.toml")
    os.mkfifo(folder / "pipe.xlsx")
    template = ("export", "ward/pace.toml", "-o", "o.xlsx", "--template", "pipe.xlsx", "--map", "map.toml")
    found = []
    for words in (("run", "ward/pace.toml"), ("run", "./zero.toml"), ("check", "./map.toml"), ("verify", "./zero.nc"), template):
        code, text = flowreform(source, folder, *words)
        if code != 1 or "Traceback" in text:
            found.append(f"{' '.join(words)}: {code} {text[-200:]}")
    return "; ".join(found)


DOORS: dict[str, Callable[[Path, Path], str]] = {
    door.__name__: door
    for door in (
        witness, recorded_engine, modules_here, settings_here, codec, kernel_of_others, kernels_where_all_may_write, links,
        link_for_the_lock, folder_elsewhere, device_in_the_ledger, view_in_the_ledger, pipes,
    )
}  # fmt: skip
