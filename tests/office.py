"""LibreOffice as a second witness: a workbook opened, every formula worked out anew, and saved again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
<item oor:path="/org.openoffice.Office.Calc/Formula/Calculation">
<prop oor:name="UseThreadedCalculationForFormulaGroups" oor:op="fuse"><value>false</value></prop>
</item>
</oor:items>
"""
"""Always recalculate, or LibreOffice shows the values that a file came with; and by one thread, or release 7.4 takes old values
from other sheets while it loads."""


def recalculated(workbook: Path, folder: Path, kind: str = "xlsx") -> Path:
    """The workbook as LibreOffice has it after working out everything, as a new file in `folder`."""
    profile = folder / "profile"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_SETTINGS, encoding="utf-8")
    out = folder / "recalculated"
    command = ["soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--convert-to", kind]
    done = subprocess.run(
        [*command, "--outdir", str(out), str(workbook)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"HOME": str(folder)},
    )
    made = out / f"{workbook.stem}.{kind}"
    assert made.is_file(), (done.returncode, done.stdout, done.stderr)
    return made
