"""The zarr side of the store: what describes its arrays, and the bytes of one chunk, both made by zarr itself in memory.

zarr (version 3 of the format) encodes; nothing here touches a disk, so that files can be written all or nothing by us. Chunks
carry a CRC-32C, so that any reader of zarr notices a flipped bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.sweeps.layout import Array, Layout

Labels = Mapping[str, tuple[tuple[str, ...], NDArray[Any], Mapping[str, Any]]]
"""Coordinates by name: dimensions, values, attributes."""

_KEYS: Any = {"name": "default", "separator": "."}


def chunk_file(name: str, array: Array, part: int) -> str:
    """The path of a part's chunk of an array, from the folder of the zarr store."""
    places = [part, *([0] * (len(array.dims) - 1))]
    return f"{name}/c.{'.'.join(map(str, places))}"


def encode(array: Array, values: NDArray[Any]) -> bytes:
    """A whole chunk as zarr stores it; a shorter block is filled up along the first dimension."""
    import zarr

    if values.shape != array.chunks:
        whole = np.full(array.chunks, array.fill, dtype=array.dtype)
        whole[: len(values)] = values
        values = whole
    kept: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(store_dict=kept)
    made = zarr.create_array(store, shape=array.chunks, config={"write_empty_chunks": True}, **_options(array))
    made[...] = values
    return bytes(kept["c." + ".".join("0" * len(array.dims))].to_bytes())


def describe(layout: Layout, labels: Labels, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a zarr store without its parts: metadata, consolidated too, and coordinates; the root comes last."""
    import zarr

    kept: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(store_dict=kept)
    root = zarr.create_group(store, zarr_format=3, attributes=dict(attributes))
    for name, array in layout.arrays().items():
        notes: dict[str, Any] = {"description": array.doc, "long_name": name.replace("_", " ")}
        root.create_array(name, shape=array.shape, dimension_names=array.dims, attributes=notes | _flags(name), **_options(array))
    for name, (dims, values, about) in labels.items():
        text = values.dtype.kind in "UO"
        made = root.create_array(
            name, shape=values.shape, chunks=tuple(max(1, size) for size in values.shape), dtype=str if text else values.dtype,
            dimension_names=dims, chunk_key_encoding=_KEYS, attributes=dict(about),
        )  # fmt: skip
        made[...] = values.astype(object) if text else values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the format does not know consolidated metadata yet: xarray looks for it
        zarr.consolidate_metadata(store)
    names = sorted(kept, key=lambda path: (path == "zarr.json", path))
    return {name: bytes(kept[name].to_bytes()) for name in names}


def _flags(name: str) -> dict[str, Any]:
    from flowreform.kpi import OUTCOMES
    from flowreform.sweeps.layout import STATUS

    words = {"status": STATUS, "kpi_outcome": OUTCOMES}.get(name)
    return {"flag_values": list(range(len(words))), "flag_meanings": " ".join(words)} if words else {}


def _options(array: Array) -> dict[str, Any]:
    from zarr.codecs import BloscCodec, Crc32cCodec

    pack = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=np.dtype(array.dtype).itemsize)
    options: dict[str, Any] = {
        "chunks": array.chunks,
        "dtype": array.dtype,
        "fill_value": array.fill,
        "compressors": [pack, Crc32cCodec()],
        "chunk_key_encoding": _KEYS,
    }
    if array.dims == ("run", "column", "time"):  # one file a part, from which one variable can be read by itself
        options |= {"shards": array.chunks, "chunks": (array.chunks[0], 1, array.chunks[2])}
    return options
