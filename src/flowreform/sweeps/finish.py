"""What is made from all parts once they are there: quantiles over draws, and the KPIs as files for those without Python."""

from __future__ import annotations

import importlib.util
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from flowreform.sweeps import arrays
from flowreform.sweeps.arrays import ZARR, Arrays
from flowreform.sweeps.layout import STATUS, Layout
from flowreform.sweeps.reading import kpi_table
from flowreform.sweeps.sketch import quantiles, rank_error
from flowreform.sweeps.store import Store
from flowreform.text import text_field

CSV = "kpis.csv.gz"
PARQUET = "kpis.parquet"
MOST_BYTES = 256 * 2**20
"""Order statistics that are put together at a time."""

Pause = Callable[[], None]
"""Called between two steps; what it raises ends the work."""


def finish(store: Store, *, again: bool, pause: Pause) -> tuple[str, ...]:
    """Make the files of a whole sweep, where they are not there or a part has changed; their paths in the folder."""
    wanted = (CSV, *((PARQUET,) if importlib.util.find_spec("pyarrow") else ()))
    known = {file.path: file for file in store.ledger.files()}
    if not again and store.ledger.get("finished") and all(name in known and not store.fault_of(known[name]) for name in wanted):
        return wanted
    root = Arrays(store.folder, store.layout, store.ledger.files())
    if store.layout.quantiles:
        _quantiles(store, root, pause)
    store.put_large(CSV, lambda path: write_csv(path, root, store.layout, pause))
    if PARQUET in wanted:
        store.put_large(PARQUET, lambda path: write_parquet(path, root, store.layout, pause))
    store.ledger.set(finished=True)
    return wanted


def _quantiles(store: Store, root: Arrays, pause: Pause) -> None:
    """Quantiles of every saved value over the draws, from the order statistics of the parts, in the parts' order."""
    layout = store.layout
    array = store.arrays["quantile_value"]
    counts = root["sketch_count"][...]
    found = np.full(array.shape, array.fill)
    step = max(1, MOST_BYTES // (8 * layout.parts * layout.times * layout.ranks))
    for scenario in range(len(layout.scenarios)):
        for first in range(0, len(layout.columns), step):
            pause()
            last = first + step
            kept = root["sketch"][:, scenario, first:last]
            found[scenario, first:last] = quantiles(kept, counts[:, scenario], layout.quantiles)
    store.put_result(f"{ZARR}/{arrays.chunk_file('quantile_value', array, 0)}", arrays.encode(array, found))
    worst = max(rank_error(counts[:, at], layout.ranks) for at in range(len(layout.scenarios)))
    store.ledger.set(rank_error=worst)


def write_csv(path: Path, root: Arrays, layout: Layout, pause: Pause) -> None:
    """One row per run in the order of runs: scenario, draw, status, and every KPI with all its digits; empty where it has none.

    Each part is a member of its own in the gzip file, so that they can be packed side by side."""
    with open(path, "wb") as out, ThreadPoolExecutor() as hands:
        head = ",".join(text_field(name) for name in ("scenario", "draw", "status", *layout.kpis)) + "\n"
        out.write(_packed(head.encode()))
        for packed in _ahead(hands, lambda part: _packed(_rows(root, layout, part)), layout.parts):
            pause()
            out.write(packed)


def _packed(text: bytes) -> bytes:
    """A member of a gzip file. Digits repeat too little to look for repeats: codes alone are quicker and come out smaller."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    return packer.compress(text) + packer.flush()


def _ahead(hands: ThreadPoolExecutor, work: Callable[[int], bytes], count: int) -> Iterator[bytes]:
    """`work` of 0, 1, 2 ... in order, a few of them at the same time."""
    flying: deque[Future[bytes]] = deque()
    for number in range(count):
        flying.append(hands.submit(work, number))
        if len(flying) > 3:
            yield flying.popleft().result()
    while flying:
        yield flying.popleft().result()


def _rows(root: Arrays, layout: Layout, part: int) -> bytes:
    import orjson

    values, status = kpi_table(root, layout, part)
    first, count = layout.draws_of(part).start, len(layout.scenarios)
    names = [text_field(name).encode() for name in layout.scenarios]
    words = [b"," + word.encode() for word in STATUS]
    if layout.kpis:
        text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[2:-2]
        text = (text + b",").replace(b"null", b"").replace(b".0,", b",").replace(b".0]", b"]")[:-1]
        lines = text.split(b"],[")
    else:
        lines = [b""] * len(values)
    comma = b"," if layout.kpis else b""
    rows = [
        b"%s,%d%s%s%s\n" % (names[at % count], first + at // count, words[flag], comma, line)
        for at, (flag, line) in enumerate(zip(status.tolist(), lines, strict=True))
    ]
    return b"".join(rows)


def write_parquet(path: Path, root: Arrays, layout: Layout, pause: Pause) -> None:
    """The same rows as Parquet, a group of rows for each part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("scenario", pa.string()), ("draw", pa.int64()), ("status", pa.string())]
    schema = pa.schema([*fields, *((name, pa.float64()) for name in _columns(layout))])
    count = len(layout.scenarios)
    with (  # pyarrow would take a name for an address, and refuse one that is no UTF-8
        open(path, "xb") as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=["scenario", "status"]) as writer,
    ):
        for part in range(layout.parts):
            pause()
            values, status = kpi_table(root, layout, part)
            draws = np.repeat(np.arange(layout.draws_of(part).start, layout.draws_of(part).stop), count)
            columns = [
                pa.array(np.tile(np.array(layout.scenarios, dtype=object), len(draws) // count), pa.string()),
                pa.array(draws),
                pa.array(np.array(STATUS, dtype=object)[status], pa.string()),
                *(pa.array(values[:, at], mask=np.isnan(values[:, at])) for at in range(len(layout.kpis))),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _columns(layout: Layout) -> list[str]:
    """KPI names as columns; one that is called like a column of ours gets an underscore."""
    return [name + "_" * (name in ("scenario", "draw", "status")) for name in layout.kpis]
