"""`python -m flowreform.analyse.laws MODEL [DRAWS]`: every law of a model, worst first; for those who write models."""

from __future__ import annotations

import sys
import time

from flowreform.analyse.laws import LAWS, check_laws
from flowreform.case import read_case
from flowreform.errors import FlowreformError
from flowreform.formats import read_model


def main(name: str, draws: int = 9) -> int:
    """Print what every law found; 4 when one is broken."""
    try:
        model = read_model(name)
        case = read_case(model)
        laws = case.laws if case else None
    except FlowreformError as fault:
        print(fault)
        return fault.exit_code
    if case is None or laws is None:
        print(f"{name}: no [laws] in model.toml")
        return 1
    broken = 0
    for law in LAWS:
        begun = time.perf_counter()
        found = sorted(check_laws(model, case, laws, draws=draws, only=(law,)), key=lambda one: -one.worst)
        bad = [one for one in found if not one.ok]
        broken += len(bad)
        print(f"{law}: {len(found)} checked, {len(bad)} broken, {time.perf_counter() - begun:.1f} s")
        for one in bad or found[:1]:
            print(f"  {'BROKEN' if not one.ok else 'worst '} {one}")
    return 4 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], *map(int, sys.argv[2:])))
