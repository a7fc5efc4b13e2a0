"""Nothing runs from a stranger's file, nothing is read or written elsewhere; each door would open if its bolt were gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strangers.doors import DOORS

SOURCE = Path(__file__).resolve().parents[2] / "src"

BOLTS = {
    "witness": [("analyse/assessment.py", "    if is_bundled(model.path):\n", "    if True:\n")],
    "recorded_engine": [
        ("export/roundtrip/netcdf.py", 'if str(ds.attrs.get("engine")) == "pysd" and not', "if False and not"),
    ],
    "modules_here": [("processes.py", '"-P", "-m"', '"-m"'), ("processes.py", '"cwd": SOURCE, ', "")],
    "settings_here": [("cli.py", "    leave_settings_unread()\n", "")],
    "codec": [
        ("sweeps/arrays.py", 'zarr.open_group(store, mode="r", zarr_format=3, use_consolidated=False)',
         'zarr.open_group(str(folder / ZARR), mode="r", use_consolidated=False)'),
    ],
    "kernel_of_others": [("engine/kept.py", "if hashlib.sha256(body).digest() == content[:DIGEST]:", "if True:")],
    "kernels_where_all_may_write": [("engine/kept.py", "and not info.st_mode & 0o022", "")],
    "links": [
        ("files.py", "    temporary.unlink(missing_ok=True)\n    with open(temporary, \"xb\")", '    with open(temporary, "wb")'),
    ],
    "link_for_the_lock": [("sweeps/lock.py", 'getattr(os, "O_NOFOLLOW", 0)', "0")],
    "folder_elsewhere": [
        ("files.py", "    if resolved(place.parent) != resolved(folder).joinpath(*parts[:-1]):", "    if False:"),
    ],
    "device_in_the_ledger": [
        ("files.py", "    if not stat.S_ISREG(os.fstat(handle).st_mode):", "    if False:"),
        ("files.py", 'getattr(os, "O_NOFOLLOW", 0)', "0"),
    ],
    "view_in_the_ledger": [("sweeps/ledger.py", "            self._require_our_tables()\n", "")],
    "pipes": [
        ("files.py", "    if not stat.S_ISREG(os.fstat(handle).st_mode):", "    if False:"),
        ("files.py", 'getattr(os, "O_NONBLOCK", 0)', "0"),
    ],
}  # fmt: skip


def without(bolts: list[tuple[str, str, str]], folder: Path) -> Path:
    """A copy of the source with some of its text replaced."""
    copy = folder / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for kind in ("models", "experiments"):
        shutil.copytree(SOURCE.parent / kind, copy / "flowreform" / kind)
    for name, old, new in bolts:
        path = copy / "flowreform" / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} no longer holds {old!r}: write the mutant anew"
        path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def test_every_door_has_a_mutant() -> None:
    assert set(BOLTS) == set(DOORS)


@pytest.mark.parametrize("name", DOORS)
def test_the_door_holds(name: str, tmp_path: Path) -> None:
    assert DOORS[name](SOURCE, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", BOLTS)
def test_without_its_bolt_the_door_opens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strangers.doors.PATIENCE", 30.0)
    (tmp_path / "attempt").mkdir()
    assert DOORS[name](without(BOLTS[name], tmp_path), tmp_path / "attempt") != ""
