"""Every construct of the two formats in a small model of our own, against a closed form or values worked out by hand.

So that a checkout without the vendor-checked suite still proves each of them, in the interpreter and compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from flowreform import read_model, simulate
from flowreform.errors import ModelError

Series = Callable[[np.ndarray], object]
"""A closed form: values from an array of times."""

_MDL = """{{UTF-8}}
{body}
INITIAL TIME = {start} ~ Month ~ |
FINAL TIME = {stop} ~ Month ~ |
TIME STEP = {dt} ~ Month ~ |
SAVEPER = {saveper} ~ Month ~ |
\\\\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
///---\\\\\\
:L<%^E!@
{settings}
"""

_XMILE = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product></header>
<sim_specs method="{method}" time_units="Month"><start>{start}</start><stop>{stop}</stop><dt>{dt}</dt></sim_specs>
{outside}
<model><variables>{body}</variables></model>
{after}
</xmile>
"""


@dataclass(frozen=True)
class Case:
    """A model in one format and what its variables must be: numbers, lists (one value a saved time) or closed forms;
    elements are named in brackets."""

    construct: str
    body: str
    expected: Mapping[str, object]
    start: float = 0.0
    stop: float = 4.0
    dt: float = 1.0
    saveper: object = "TIME STEP"
    settings: str = "15:0,0,0,0"
    outside: str = ""
    after: str = ""
    method: str = "euler"
    files: Mapping[str, str] = field(default_factory=dict)
    rtol: float = 1e-12


def t_if(condition: Callable[[np.ndarray], np.ndarray], yes: Series, no: Series) -> Series:
    return lambda t: np.where(condition(t), yes(t), no(t))


def euler(start: float, rate: Callable[[float, float], float], dt: float = 1.0) -> Series:
    """A stock by the difference equation, worked out here."""

    def values(t: np.ndarray) -> np.ndarray:
        found = [start]
        for now in t[:-1]:
            found.append(found[-1] + dt * rate(float(now), found[-1]))
        return np.array(found)

    return values


ABC = "d: a, b, c ~~|\n"

MDL = (
    # --- arrays
    Case("apply to all", ABC + "x[d] = 1, 2, 3 ~~|\ny[d] = 2 * x[d] + Time ~~|", {"y[b]": lambda t: 4 + t}),
    Case(
        "two dimensions and tables of numbers",
        ABC + "e: p, q ~~|\nx[d,e] = 1, 2; 3, 4; 5, 6; ~~|\ny[e,d] = x[d,e] ~~|",
        {"y[q,a]": 2.0, "y[p,c]": 5.0},
    ),
    Case(
        "subranges and elements",
        ABC + "s: b, c ~~|\nx[d] = 1, 2, 3 ~~|\ny[s] = x[s] * 10 ~~|\nz = x[c] + y[b] ~~|",
        {"y[b]": 20.0, "y[c]": 30.0, "z": 23.0},
    ),
    Case(
        "a subrange and the rest written apart",
        ABC + "s: b, c ~~|\nx[s] = 5 ~~|\nx[a] = 7 ~~|\ny = SUM(x[d!]) ~~|",
        {"y": 17.0, "x[a]": 7.0},
    ),
    Case("a numbered range", "d: (n1-n4) ~~|\nx[d] = 1, 2, 3, 4 ~~|\ny = SUM(x[d!]) ~~|", {"y": 10.0, "x[n3]": 3.0}),
    Case("exceptions", ABC + "x[d] :EXCEPT: [b] = 1 ~~|\nx[b] = Time ~~|", {"x[a]": 1.0, "x[b]": lambda t: t}),
    Case(
        "a mapping between dimensions",
        "d: a, b, c ~~|\ne: p, q, r -> d ~~|\nx[e] = 1, 2, 3 ~~|\ny[d] = x[e] * 10 ~~|",
        {"y[a]": 10.0, "y[c]": 30.0},
    ),
    Case(
        "a mapping to a subrange",
        "all: a, b, c ~~|\nlow: a, b ~~|\ne: p, q -> (all: low, c) ~~|\nx[e] = 1, 5 ~~|\ny[all] = x[e] ~~|",
        {"y[a]": 1.0, "y[b]": 1.0, "y[c]": 5.0},
    ),
    Case("a copy of a dimension", "d: a, b ~~|\ne <-> d ~~|\nx[d] = 1, 2 ~~|\ny[e] = x[e] + 1 ~~|", {"y[b]": 3.0}),
    Case(
        "reductions",
        ABC + "x[d] = 4, 2, 3 ~~|\ns = SUM(x[d!]) ~~|\np = PROD(x[d!]) ~~|\nlow = VMIN(x[d!]) ~~|\nhigh = VMAX(x[d!]) ~~|\n"
        "n = ELMCOUNT(d) ~~|\nall[d] = SUM(x[d!]) / x[d] ~~|",
        {"s": 9.0, "p": 24.0, "low": 2.0, "high": 4.0, "n": 3.0, "all[b]": 4.5},
    ),
    Case(
        "a reduction over one of two dimensions",
        ABC + "e: p, q ~~|\nx[d,e] = 1, 2; 3, 4; 5, 6; ~~|\ny[d] = SUM(x[d,e!]) ~~|\nz = SUM(x[d!,e!]) ~~|",
        {"y[b]": 7.0, "z": 21.0},
    ),
    Case("an element as a number", ABC + "x[d] = d * 10 ~~|\ny = b ~~|", {"x[c]": 30.0, "y": 2.0}),
    Case(
        "conditions over arrays",
        ABC + "x[d] = 1, 2, 3 ~~|\ny[d] = IF THEN ELSE(x[d] > 1 :AND: :NOT: (x[d] = 3), 10, 20) ~~|",
        {"y[a]": 20.0, "y[b]": 10.0, "y[c]": 20.0},
    ),
    Case(
        "arrayed stocks",
        ABC + "s[d] = INTEG(x[d], 10) ~~|\nx[d] = 1, 2, 3 ~~|",
        {"s[c]": lambda t: 10 + 3 * t},
    ),
    # --- vectors
    Case(
        "sorting and ranking",
        ABC + "x[d] = 30, 10, 20 ~~|\no[d] = VECTOR SORT ORDER(x[d], 1) ~~|\nr[d] = VECTOR RANK(x[d], 1) ~~|\n"
        "down[d] = VECTOR RANK(x[d], 0) ~~|\ny[d] = VECTOR REORDER(x[d], o[d]) ~~|",
        {"o[a]": 1.0, "o[b]": 2.0, "o[c]": 0.0, "r[a]": 3.0, "down[a]": 1.0, "y[a]": 10.0, "y[b]": 20.0, "y[c]": 30.0},
    ),
    Case(
        "elements by offset",
        "d: a, b, c ~~|\ne: p, q ~~|\nx[d,e] = 1, 4; 2, 5; 3, 6; ~~|\noffset[d] = 0, 1, 1 ~~|\n"
        "y[d] = VECTOR ELM MAP(x[d,p], offset[d]) ~~|\nfar = VECTOR ELM MAP(x[c,q], 1) ~~|",
        {"y[a]": 1.0, "y[b]": 5.0, "y[c]": 6.0, "far": math.nan},
    ),
    Case(
        "selections",
        ABC + "chosen[d] = 1, 0, 2 ~~|\nx[d] = 10, 20, 30 ~~|\nnone[d] = 0 ~~|\n"
        "y = VECTOR SELECT(chosen[d!], x[d!], -1, 0, 0) ~~|\nplain = VECTOR SELECT(chosen[d!], x[d!], -1, 6, 0) ~~|\n"
        "mean = VECTOR SELECT(chosen[d!], x[d!], -1, 10, 0) ~~|\nempty = VECTOR SELECT(none[d!], x[d!], -1, 0, 0) ~~|\n"
        "moving = VECTOR SELECT(chosen[d!], x[d!], -1, 6 + Time, 0) ~~|",
        {"y": 70.0, "plain": 40.0, "mean": 20.0, "empty": -1.0, "moving": [40.0, 300.0, 10.0, 30.0, 20.0]},
    ),
    Case(
        "the inverse of a matrix",
        "d: a, b, c ~~|\ne <-> d ~~|\nx[d,e] = 0, 2, 0; 4, 0, 0; 0, 0, 5; ~~|\ny[d,e] = INVERT MATRIX(x[d,e], 3) ~~|",
        {"y[a,b]": 0.25, "y[b,a]": 0.5, "y[c,c]": 0.2, "y[a,a]": 0.0},
    ),
    Case(
        "allocation by a price: straight lines",
        "w: a, b ~~|\nf: ptype, ppriority, pwidth, pextra ~~|\nask[w] = 10, 10 ~~|\n"
        "profile[w,f] = 1, 5, 2, 0; 1, 6, 2, 0; ~~|\ngot[w] = ALLOCATE AVAILABLE(ask[w], profile[w,ptype], 5 * Time) ~~|",
        # Demands fall over 4 to 6 and 5 to 7; at 10 in all the price is 5.5: a gets 10 (6 - 5.5) / 2.
        {"got[a]": [0.0, 0.0, 2.5, 5.0, 10.0], "got[b]": [0.0, 5.0, 7.5, 10.0, 10.0]},
        rtol=1e-9,
    ),
    Case(
        "allocation by a price: every shape gives half at its own priority",
        "w: a, b ~~|\nf: ptype, ppriority, pwidth, pextra ~~|\nask[w] = 8, 8 ~~|\nkind = 1 + Time ~~|\n"
        "profile[w,ptype] = kind ~~|\nprofile[w,ppriority] = 5 ~~|\nprofile[w,pwidth] = 2 ~~|\nprofile[w,pextra] = 0 ~~|\n"
        "got[w] = ALLOCATE AVAILABLE(ask[w], profile[w,ptype], 8) ~~|",
        {"got[a]": 4.0, "got[b]": 4.0},
        stop=3.0,
        rtol=2e-5,  # Vensim's normal distribution is a formula good to 1e-5
    ),
    Case(
        "allocation by priority",
        "w: a, b ~~|\nask[w] = 10, 10 ~~|\npriority[w] = 3, 2 ~~|\n"
        "got[w] = ALLOCATE BY PRIORITY(ask[w], priority[w], 2, 2, 5 * Time) ~~|",
        # b starts once a has half of its 10, being half a width away; then both fill alike.
        {"got[a]": [0.0, 5.0, 7.5, 10.0, 10.0], "got[b]": [0.0, 0.0, 2.5, 5.0, 10.0]},
    ),
    # --- lookups and data
    Case(
        "lookups: between, beyond, inline, arrayed",
        ABC + "f( (0,0), (2,10), (4,0) ) ~~|\ng[a]( (0,1), (4,5) ) ~~|\ng[b]( (0,2), (4,2) ) ~~|\ng[c]( (0,0), (1,1) ) ~~|\n"
        "y = f(Time) ~~|\nbeyond = f(Time + 10) ~~|\nz[d] = g[d](Time) ~~|\nw = WITH LOOKUP(Time, ((0,0),(4,8))) ~~|",
        {
            "y": [0.0, 5.0, 10.0, 5.0, 0.0],
            "beyond": 0.0,
            "z[a]": lambda t: 1 + t,
            "z[b]": 2.0,
            "z[c]": [0.0, 1.0, 1.0, 1.0, 1.0],
            "w": lambda t: 2 * t,
        },
    ),
    Case(
        "lookups: extrapolated, forward and backward",
        "f( (1,1), (2,4), (3,5) ) ~~|\ny = LOOKUP EXTRAPOLATE(f, Time) ~~|\n"
        "forward = LOOKUP FORWARD(f, Time + 0.5) ~~|\nbackward = LOOKUP BACKWARD(f, Time + 0.5) ~~|",
        {"y": [-2.0, 1.0, 4.0, 5.0, 6.0], "forward": [1.0, 4.0, 5.0, 5.0, 5.0], "backward": [1.0, 1.0, 4.0, 5.0, 5.0]},
    ),
    Case(
        "constants, lookups and data from a table beside the model",
        "d: a, b ~~|\nc[d] = GET DIRECT CONSTANTS('in.csv', ',', 'B4*') ~~|\n"
        "f = GET DIRECT LOOKUPS('in.csv', ',', '1', 'B2') ~~|\n"
        "x := GET DIRECT DATA('in.csv', ',', '1', 'B2') ~~|\n"
        "held :HOLD BACKWARD: := GET DIRECT DATA('in.csv', ',', '1', 'B2') ~~|\n"
        "ahead :LOOK FORWARD: := GET DIRECT DATA('in.csv', ',', '1', 'B2') ~~|\ny = f(Time) ~~|\nz = c[b] ~~|",
        {
            "y": lambda t: 5 * t,
            "x": lambda t: 5 * t,
            "held": [0.0, 0.0, 10.0, 10.0, 20.0],
            "ahead": [0.0, 10.0, 10.0, 20.0, 20.0],
            "z": 8.0,
        },
        files={"in.csv": "t,0,2,4\nv,0,10,20\n,,,\nk,7\n,8\n"},
    ),
    Case(
        "data, constants and numbers in one variable, and a file named in the settings",
        "k: one, two, three ~~|\nx[one] :INTERPOLATE: := GET DIRECT DATA('?in', ',', '1', 'B2') ~~|\n"
        "x[two] = GET DIRECT CONSTANTS('?in', ',', 'B4') ~~|\nx[three] = 5 ~~|\ny[k] = 10 * x[k] ~~|",
        {"y[one]": lambda t: 50 * t, "y[two]": 70.0, "y[three]": 50.0},
        settings="15:0,0,0,0\n30:?in=C:\\somewhere\\in.csv",
        files={"in.csv": "t,0,2,4\nv,0,10,20\n,,,\nk,7\n,8\n"},
    ),
    Case(
        "elements from a table beside the model",
        "d: GET DIRECT SUBSCRIPT('in.csv', ',', 'A2', 'A4', 'n') ~~|\nx[d] = 1, 2, 3 ~~|\ny = SUM(x[d!]) ~~|",
        {"x[n20]": 2.0, "y": 6.0},
        files={"in.csv": "head\n10\n20\n30\n"},
    ),
    # --- delays, smooths, memory
    Case(
        "first and third order delays",
        "x = STEP(12, 1) ~~|\ny = DELAY1(x, 2) ~~|\nz = DELAY1I(x, 2, 4) ~~|\ndeep = DELAY3I(6, 3, 6) ~~|",
        {"y": [0.0, 0.0, 6.0, 9.0, 10.5], "z": [4.0, 2.0, 7.0, 9.5, 10.75], "deep": 6.0},
    ),
    Case(
        "a delay of order n whose time changes",
        "T = 2 + STEP(2, 2) ~~|\ny = DELAY N(8, T, 8, 2) ~~|",
        # Two stages of 8 that pass on a share of 1, then of 1/2: at t = 2 the first sends 4 and the second still 8, at t = 3
        # (12 and 4 inside) the second too passes on a half.
        {"y": [8.0, 8.0, 8.0, 2.0, 4.0]},
    ),
    Case(
        "a fixed delay",
        "y = DELAY FIXED(Time * 10, 2, -5) ~~|",
        {"y": [-5.0, -5.0, 0.0, 10.0, 20.0]},
    ),
    Case(
        "smooths",
        "x = STEP(12, 1) ~~|\ny = SMOOTH(x, 2) ~~|\nz = SMOOTHI(x, 2, 4) ~~|\ndeep = SMOOTH3I(6, 3, 6) ~~|\n"
        "n = SMOOTH N(6, 4, 6, 2) ~~|",
        {"y": [0.0, 0.0, 6.0, 9.0, 10.5], "z": [4.0, 2.0, 7.0, 9.5, 10.75], "deep": 6.0, "n": 6.0},
    ),
    Case(
        "trend and forecast of steady growth",
        "x = INTEG(0.1 * x, 100) ~~|\ny = TREND(x, 2, 0.1) ~~|\nz = FORECAST(5, 2, 10) ~~|",
        # The average starts at 100 / 1.2 and grows as the input does: (x - a) / (2 a) stays 0.1.
        {"y": 0.1, "z": 5.0, "x": lambda t: 100 * 1.1**t},
    ),
    Case(
        "sample and initial",
        "x = Time ~~|\ny = SAMPLE IF TRUE(Time = 2, x * 10, 7) ~~|\nz = INITIAL(x + 3) ~~|",
        {"y": [7.0, 7.0, 20.0, 20.0, 20.0], "z": 3.0},
    ),
    Case(
        "an initial value of its own",
        "s = INTEG(1, x) ~~|\nx = ACTIVE INITIAL(s * 2, 5) ~~|",
        {"s": lambda t: 5 + t, "x": lambda t: 10 + 2 * t},
    ),
    # --- time
    Case("steps and ramps", "y = STEP(3, 2) ~~|\nz = RAMP(2, 1, 3) ~~|", {"y": [0, 0, 3, 3, 3.0], "z": [0, 0, 2, 4, 4.0]}),
    Case(
        "pulses",
        "y = PULSE(1, 2) ~~|\nz = PULSE TRAIN(0, 1, 2, 3) ~~|",
        {"y": [0, 1, 1, 0, 0.0], "z": [1, 0, 1, 0, 0.0]},
    ),
    Case("saving less often than stepping", "s = INTEG(s, 1) ~~|", {"s": [1.0, 1.5**4, 1.5**8]}, dt=0.5, saveper=2),
    Case(
        "time in units of its own",
        "y = GET TIME VALUE(0, 2, 0) ~~|\nz = GET TIME VALUE(1, 2, 0) ~~|",
        {"y": lambda t: t + 2, "z": 12.0},
        start=10.0,
        stop=12.0,
    ),
    Case(
        "Runge-Kutta of the fourth order",
        "s = INTEG(Time^3, 0) ~~|",
        {"s": lambda t: t**4 / 4},
        settings="15:0,0,0,1",
    ),
    Case(
        "a final time worked out before the run",
        "half = 2 ~~|\nlong = half * 2 ~~|\ns = INTEG(1, 0) ~~|",
        {"s": lambda t: t},
        stop="long",
    ),  # type: ignore[arg-type]
    # --- numbers and logic
    Case(
        "division guarded and not",
        "y = XIDZ(6, Time, 9) ~~|\nz = ZIDZ(6, Time) ~~|",
        {"y": [9.0, 6.0, 3.0, 2.0, 1.5], "z": [0.0, 6.0, 3.0, 2.0, 1.5]},
    ),
    Case(
        "whole numbers",
        "m = MODULO(7, 4) ~~|\nq = QUANTUM(7.9, 2) ~~|\ni = INTEGER(-2.7) ~~|\nl = LOG(8, 2) ~~|\np = 2^3^2 ~~|\nn = -2^2 ~~|",
        {"m": 3.0, "q": 6.0, "i": -2.0, "l": 3.0, "p": 512.0, "n": -4.0},
    ),
    Case(":NA:", "y = IF THEN ELSE(Time > 1, :NA:, 3) ~~|", {"y": [3.0, 3.0, *[math.nan] * 3]}),
    Case("reality checks and GAME are left alone", "y = GAME(Time) ~~|\nz :TEST INPUT: y = 5 ~~|", {"y": lambda t: t}),
    Case("names in quotes", '"a + b (%)" = 3 ~~|\ny = "a + b (%)" * 2 ~~|', {"y": 6.0}),
    # --- more of each
    Case(
        "exceptions, several and over subranges",
        ABC
        + "s: b, c ~~|\ne: p, q ~~|\nx[d,e] :EXCEPT: [a,p], [s,q] = 1 ~~|\nx[a,p] = 2 ~~|\nx[s,q] = 3 ~~|\ny = SUM(x[d!,e!]) ~~|",
        {"x[a,p]": 2.0, "x[a,q]": 1.0, "x[b,p]": 1.0, "x[c,q]": 3.0, "y": 11.0},
    ),
    Case("a table with tabs", ABC + "x[d] = TABBED ARRAY(1\t2\t3) ~~|\ny = SUM(x[d!]) ~~|", {"x[b]": 2.0, "y": 6.0}),
    Case(
        "data at its own times only",
        "x :RAW: := GET DIRECT DATA('in.csv', ',', '1', 'B2') ~~|",
        {"x": [0.0, math.nan, 10.0, math.nan, 20.0]},
        files={"in.csv": "t,0,2,4\nv,0,10,20\n"},
    ),
    Case(
        "delays and smooths over arrays",
        ABC + "t[d] = 1, 2, 4 ~~|\nx = STEP(8, 1) ~~|\ny[d] = DELAY1(x, t[d]) ~~|\nz[d] = SMOOTHI(x, t[d], 0) ~~|\n"
        "f[d] = DELAY FIXED(Time, t[d], -1) ~~|",
        {
            "y[a]": [0, 0, 8, 8, 8.0],
            "y[b]": [0, 0, 4, 6, 7.0],
            "z[c]": [0, 0, 2, 3.5, 4.625],
            "f[a]": [-1, 0, 1, 2, 3.0],
            "f[c]": [-1, -1, -1, -1, 0.0],
        },
    ),
    Case(
        "material and information delays of one length",
        "x = STEP(8, 1) ~~|\nm = DELAY MATERIAL(x, 2, 3, 0) ~~|\ni = DELAY INFORMATION(x, 2, 3) ~~|\n"
        "f = DELAY FIXED(x, 2, 3) ~~|",
        {"m": [3, 3, 0, 8, 8.0], "i": [3, 3, 0, 8, 8.0], "f": [3, 3, 0, 8, 8.0]},
    ),
    Case(
        "material and information delays that grow shorter",
        # What comes in at 0, 1, 2 takes 3 steps, what comes in from 3 on takes 1: at 4 two arrive, and the one due at 5 is old.
        "T = 3 - STEP(2, 3) ~~|\nx = 10 + Time ~~|\nm = DELAY MATERIAL(x, T, 5, -1) ~~|\ni = DELAY INFORMATION(x, T, 5) ~~|",
        {"m": [5, 5, 5, 10, 24, 26, 15.0], "i": [5, 5, 5, 10, 13, 14, 15.0]},
        stop=6.0,
    ),
    Case(
        "material and information delays that grow longer",
        # What comes in from 2 on takes 3 steps and not 1: nothing is due at 3 and 4.
        "T = 1 + STEP(2, 2) ~~|\nx = 10 + Time ~~|\nm = DELAY MATERIAL(x, T, 5, -1) ~~|\ni = DELAY INFORMATION(x, T, 5) ~~|",
        {"m": [5, 10, 11, -1, -1, 12, 13.0], "i": [5, 10, 11, 11, 11, 12, 13.0]},
        stop=6.0,
    ),
    Case("a final time that names the time", "s = INTEG(1, 0) ~~|", {"s": lambda t: t}, stop="4 + Time"),
    Case(
        "a forecast of growth",
        "x = 10 * (1 + Time) ~~|\ny = FORECAST(x, 2, 4) ~~|",
        # averages 10, 10, 15, 22.5 ..; y = x (1 + (x / a - 1) / 2 * 4)
        {"y": [10.0, 60.0, 90.0, 40 * (1 + (40 / 22.5 - 1) * 2), 50 * (1 + (50 / 31.25 - 1) * 2)]},
    ),
    Case(
        "a trend of a step",
        "x = 10 + STEP(10, 1) ~~|\ny = TREND(x, 2, 0) ~~|",
        {"y": [0.0, 0.5, (20 - 15) / 30, (20 - 17.5) / 35, (20 - 18.75) / 37.5]},
    ),
    Case(
        "smallest and largest of an expression",
        ABC + "x[d] = 1, 5, 3 ~~|\ny = VMAX(x[d!] * Time) ~~|\nz = VMIN(2 * x[d!]) + MIN(1, Time) ~~|",
        {"y": lambda t: 5 * t, "z": [2.0, 3.0, 3.0, 3.0, 3.0]},
    ),
    Case(
        "a mapping into a sum",
        "d: a, b, c ~~|\ng: low, high -> (d: dl, c) ~~|\ndl: a, b ~~|\nx[g] = 2, 5 ~~|\ny[d] = x[g] ~~|\nz = SUM(y[d!]) ~~|",
        {"z": 9.0},
    ),
    # --- macros
    Case(
        "macros",
        ":MACRO: twice(v)\ntwice = v * 2 ~~|\n:END OF MACRO:\n:MACRO: grown(v, k)\ngrown = INTEG(k, v) ~~|\n:END OF MACRO:\n"
        "y = twice(Time) + twice(1) ~~|\nz = grown(5, 3) ~~|",
        {"y": lambda t: 2 * t + 2, "z": lambda t: 5 + 3 * t},
    ),
)


def aux(name: str, text: str, inside: str = "") -> str:
    return f'<aux name="{name}">{inside}<eqn>{text}</eqn></aux>'


def over(*names: str) -> str:
    return "<dimensions>" + "".join(f'<dim name="{name}"/>' for name in names) + "</dimensions>"


DIM = '<dimensions><dim name="d"><elem name="a"/><elem name="b"/><elem name="c"/></dim></dimensions>'
X = aux("x", "4, 2, 3", over("d"))

XMILE = (
    Case(
        "whole arrays",
        X
        + aux("s", "SUM(x)")
        + aux("m", "MEAN(x[*])")
        + aux("low", "MIN(x[d])")
        + aux("high", "MAX(x[*])")
        + aux("p", "PROD(x)")
        + aux("n", "SIZE(x)")
        + aux("sd", "STDDEV(x)")
        + aux("second", "RANK(x, 2)"),
        {"s": 9.0, "m": 3.0, "low": 2.0, "high": 4.0, "p": 24.0, "n": 3.0, "sd": math.sqrt(2 / 3), "second": 3.0},
        outside=DIM,
    ),
    Case(
        "elements by name, number and variable",
        X + aux("y", "x[b] + x[3]") + aux("k", "1 + TIME") + aux("z", "x[k]"),
        {"y": 5.0, "z": [4.0, 2.0, 3.0, 0.0, 0.0]},
        outside=DIM,
    ),
    Case(
        "one equation for each element",
        f'<aux name="x">{over("d")}<element subscript="a"><eqn>1</eqn></element><element subscript="b"><eqn>TIME</eqn></element>'
        '<element subscript="c"><eqn>x[a] + x[b]</eqn></element></aux>'
        f'<aux name="y">{over("d")}<eqn>1</eqn><eqn>2 * TIME</eqn><eqn>3</eqn></aux>',
        {"x[c]": lambda t: 1 + t, "y[b]": lambda t: 2 * t},
        outside=DIM,
    ),
    Case(
        "graphical functions",
        '<aux name="y"><eqn>TIME</eqn><gf><xscale min="0" max="2"/><ypts>0,10,0</ypts></gf></aux>'
        '<aux name="z"><eqn>TIME</eqn><gf type="extrapolate"><xscale min="0" max="2"/><ypts>0,1,3</ypts></gf></aux>'
        '<aux name="w"><eqn>TIME + 0.5</eqn><gf type="discrete"><xpts>0,1,2</xpts><ypts>5,6,7</ypts></gf></aux>'
        '<gf name="f"><xscale min="0" max="4"/><ypts>0,8</ypts></gf>' + aux("v", "f(TIME)") + aux("u", "LOOKUP(f, TIME / 2)"),
        {"y": [0, 10, 0, 0, 0.0], "z": [0, 1, 3, 5, 7.0], "w": [5, 6, 7, 7, 7.0], "v": lambda t: 2 * t, "u": lambda t: t},
    ),
    Case(
        "stocks and flows that stay above zero",
        '<stock name="s"><eqn>2</eqn><outflow>f</outflow><non_negative/></stock><flow name="f"><eqn>1</eqn></flow>'
        '<stock name="r"><eqn>5</eqn><inflow>g</inflow></stock><flow name="g"><eqn>TIME - 2</eqn><non_negative/></flow>',
        {"s": [2, 1, 0, 0, 0.0], "r": [5, 5, 5, 5, 6.0]},
    ),
    Case(
        "what was and what is at the start",
        aux("y", "PREVIOUS(TIME * 10, -1)") + aux("z", "INIT(TIME + 3)") + aux("count", "PREVIOUS(SELF, 5) + 1"),
        {"y": [-1, 0, 10, 20, 30.0], "z": 3.0, "count": lambda t: 6 + t},
    ),
    Case(
        "delays",
        aux("x", "STEP(12, 1)")
        + aux("p", "DELAY(TIME * 10, 2, -5)")
        + aux("one", "DELAY1(x, 2)")
        + aux("three", "DELAY3(6, 3)")
        + aux("n", "DELAYN(6, 4, 4, 6)")
        + aux("s", "SMTH1(x, 2, 4)")
        + aux("s3", "SMTH3(6, 3)")
        + aux("sn", "SMTHN(6, 4, 2)")
        + aux("g", "TREND(5, 2)")
        + aux("f", "FORCST(5, 2, 10)"),
        {
            "p": [-5, -5, 0, 10, 20.0],
            "one": [0, 0, 6, 9, 10.5],
            "three": 6.0,
            "n": 6.0,
            "s": [4, 2, 7, 9.5, 10.75],
            "s3": 6.0,
            "sn": 6.0,
            "g": 0.0,
            "f": 5.0,
        },
    ),
    Case(
        "tests of time",
        aux("y", "STEP(3, 2)") + aux("z", "RAMP(2, 1, 3)") + aux("p", "PULSE(6, 1, 2)") + aux("once", "PULSE(6, 2)"),
        {"y": [0, 0, 3, 3, 3.0], "z": [0, 0, 2, 4, 4.0], "p": [0, 6, 0, 6, 0.0], "once": [0, 0, 6, 0, 0.0]},
    ),
    Case(
        "arithmetic and conditions",
        aux("y", "IF TIME &gt; 1 AND NOT (TIME = 3) THEN 1 ELSE 2")
        + aux("z", "7 MOD 4 + SAFEDIV(6, 0, 9) + 6 // 0")
        + aux("w", "-2^2 + INT(-2.7) + ABS(-3)")
        + aux("e", "LN(EXP(2)) + LOG10(100) + SQRT(9)"),
        {"y": [2, 2, 1, 2, 1.0], "z": 12.0, "w": -3.0, "e": 7.0},
    ),
    Case(
        "a macro, also by its name with blanks",
        aux("y", "TWO MORE(TIME)") + aux("z", "TWO_MORE(1) * 2"),
        {"y": lambda t: t + 2, "z": 6.0},
        outside='<macro name="two more"><parm>v</parm><eqn>v + 2</eqn></macro>',
    ),
    Case(
        "modules and their connections",
        '<module name="ward"><connect to="arriving" from="coming"/></module>' + aux("coming", "3") + aux("seen", "ward.inside"),
        {"seen": lambda t: 10 + 3 * t, "ward.inside": lambda t: 10 + 3 * t},
        after='<model name="ward"><variables><stock name="inside"><eqn>10</eqn><inflow>entry</inflow></stock>'
        '<flow name="entry"><eqn>arriving</eqn></flow><aux name="arriving" access="input"><eqn>0</eqn></aux></variables></model>',
    ),
    Case(
        "slices of two dimensions in XMILE",
        '<aux name="x"><dimensions><dim name="d"/><dim name="e"/></dimensions><eqn>1, 2, 3, 4, 5, 6</eqn></aux>'
        + aux("row", "SUM(x[b, *])")
        + aux("column", "SUM(x[*, q])")
        + aux("both", "SUM(x[*, *])")
        + aux("part", "x[d, p] * 10", over("d"))
        + aux("turned", "x[d, e]", over("e", "d")),
        {"row": 7.0, "column": 12.0, "both": 21.0, "part[c]": 50.0, "turned[q,a]": 2.0},
        outside='<dimensions><dim name="d"><elem name="a"/><elem name="b"/><elem name="c"/></dim>'
        '<dim name="e"><elem name="p"/><elem name="q"/></dim></dimensions>',
    ),
    Case(
        "a graphical function for each element",
        f'<aux name="y">{over("d")}<element subscript="a"><eqn>TIME</eqn>'
        '<gf><xscale min="0" max="4"/><ypts>0,4</ypts></gf></element>'
        '<element subscript="b"><eqn>TIME</eqn><gf><xscale min="0" max="4"/><ypts>8,0</ypts></gf></element>'
        '<element subscript="c"><eqn>TIME</eqn><gf><xscale min="0" max="4"/><ypts>1,1</ypts></gf></element></aux>',
        {"y[a]": lambda t: t, "y[b]": lambda t: 8 - 2 * t, "y[c]": 1.0},
        outside=DIM,
    ),
    Case(
        "the run's own settings",
        aux("y", "DT + STARTTIME + STOPTIME") + aux("z", "PI + SAFEDIV(1, 0)") + aux("i", "IF INF &gt; 1E300 THEN 1 ELSE 0"),
        {"y": 5.0, "z": math.pi, "i": 1.0},
    ),
    Case(
        "Runge-Kutta of the second order",
        '<stock name="s"><eqn>0</eqn><inflow>f</inflow></stock><flow name="f"><eqn>2 * TIME</eqn></flow>',
        {"s": lambda t: t**2},
        method="rk2",
    ),
)


def write(case: Case, folder: Path) -> Path:
    """The case as a file with the data beside it."""
    for name, text in case.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    is_xmile = "<" in case.body and ">" in case.body and "~" not in case.body
    form = _XMILE if is_xmile else _MDL
    path = folder / ("model.xmile" if is_xmile else "model.mdl")
    names = ("body", "start", "stop", "dt", "saveper", "settings", "outside", "after", "method")
    path.write_text(form.format(**{name: getattr(case, name) for name in names}), encoding="utf-8")
    return path


def assert_as_expected(case: Case, path: Path, engine: str) -> None:
    model = read_model(path)
    ds = simulate(model, engine=engine)
    times = ds["time"].values
    for name, wanted in case.expected.items():
        base, _, inside = name.partition("[")
        array = ds[base].isel(run=0) if "run" in ds[base].dims else ds[base]
        for dimension, element in zip(model[base].dimensions, inside.rstrip("]").split(",") if inside else (), strict=True):
            array = array.sel({dimension: element})
        values = wanted(times) if callable(wanted) else wanted
        found = np.broadcast_to(array.values, times.shape)
        np.testing.assert_allclose(
            found, np.broadcast_to(np.asarray(values, dtype=float), times.shape), rtol=case.rtol, atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("case", MDL, ids=lambda case: case.construct)
def test_vensim(case: Case, tmp_path: Path) -> None:
    assert_as_expected(case, write(case, tmp_path), "python")


@pytest.mark.parametrize("case", XMILE, ids=lambda case: case.construct)
def test_xmile(case: Case, tmp_path: Path) -> None:
    assert_as_expected(case, write(case, tmp_path), "python")


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in MDL
        if "allocation" in case.construct
        or "matrix" in case.construct
        or "sort" in case.construct
        or "material" in case.construct
    ],
    ids=lambda case: case.construct,
)
def test_vectors_compiled(case: Case, tmp_path: Path) -> None:
    assert_as_expected(case, write(case, tmp_path), "numba")


def test_a_matrix_without_an_inverse_is_a_failed_run(tmp_path: Path) -> None:
    body = "d: a, b ~~|\ne <-> d ~~|\nx[d,e] = 1, 2; 2, 4; ~~|\ny[d,e] = INVERT MATRIX(x[d,e], 2) ~~|"
    ds = simulate(read_model(write(Case("", body, {}), tmp_path)), engine="python")
    assert bool(ds["failed"].all())
    assert str(ds["failed_variable"].values[0]) == "y"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = GET TIME VALUE(2, 0, 1) ~~|", "reads the clock"),
        ("y = GET TIME VALUE(0, 0, 3) ~~|", "the model's own time only"),
        ("y = RANDOM UNIFORM(0, 1, 0) ~~|", "repeatable"),
        ("y = VECTOR RANK(3, 1) ~~|", "takes an arrayed variable"),
        ("d: a, b ~~|\nx[d] = 1, 2 ~~|\ny = VECTOR SELECT(x[d!], x[d!], 0, 11, 0) ~~|", "no numerical action 11"),
    ],
)
def test_what_is_not_done_is_refused_by_name(body: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        simulate(read_model(write(Case("", body, {}), tmp_path)), engine="python")
    assert reason in str(caught.value)
