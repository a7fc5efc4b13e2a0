"""The helpers that emitted text calls, compiled by numba: IEEE results, no fast-math, nothing folded across calls.

Imported by compiled kernels only.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
from numba.core import types
from numba.extending import intrinsic

from flowreform import arithmetic, quantiles
from flowreform.engine import helpers
from flowreform.engine.kept import Kept
from flowreform.engine.straight import DOUBLE, Helpers, cgutils, decorator


def compiled(function: Callable[..., Any]) -> Any:
    """The decorator of the function that runs a block: no GIL, numpy's division, kept on disk between sessions."""
    made: Any = numba.njit(nogil=True, error_model="numpy", fastmath=False, boundscheck=False)(function)
    made._cache = Kept(function.__module__)
    return made


def part(function: Callable[..., Any]) -> Any:
    """The decorator of what only emitted text calls: nothing that Python would need to call it, and no file of its own."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(nogil=True, error_model="numpy", fastmath=False, boundscheck=False, **options)(function)


@intrinsic
def row(typing: Any, out: Any, i: Any, m: Any, column: Any, s: Any, cell: Any) -> Any:
    """The values of a cell in the runs of a block that `out` has room for, written into `out[i, m, column:]`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = [cgutils.create_struct_proxy(signature.args[k])(context, builder, value=args[k]) for k in (0, 4)]
        target = cgutils.get_item_pointer(context, builder, signature.args[0], arrays[0], args[1:4], wraparound=False)
        source = builder.gep(arrays[1].data, [args[5]], source_etype=DOUBLE)
        runs = builder.extract_value(arrays[0].shape, 2)
        cgutils.raw_memcpy(builder, target, source, runs, 8)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(out, integer, integer, integer, s, integer), generate


def _build() -> dict[str, Any]:
    """Every helper compiled, each seeing the others in their compiled form."""
    namespace: dict[str, Any] = {"math": math, "INFINITY": arithmetic.INFINITY, "NAN": arithmetic.NAN}
    for module in (arithmetic, quantiles, helpers):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ != module.__name__ or name.startswith("_"):
                continue
            plain = arithmetic.NATIVE.get(function, function)
            clone = FunctionType(plain.__code__, namespace, name, plain.__defaults__)
            namespace[name] = numba.njit(nogil=True, error_model="numpy", fastmath=False, inline="never")(clone)
    return namespace


HELPERS = _build()

straight = decorator(Helpers(HELPERS, {"INFINITY": arithmetic.INFINITY, "NAN": arithmetic.NAN}))
"""The decorator of a phase: past numba's type inference (see `engine.straight`)."""
