"""The arrays of a sweep's folder, to read: what they are comes from the ledger's layout, their bytes from files the ledger knows.

The folder may be a stranger's. zarr is never asked what an array is like: its metadata could name another format and a codec that
runs what it decodes. It is handed the metadata that we would write for this layout, and no file but the ordinary ones in the
folder that the ledger has, at the size and with the checksum that stand there.
"""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from flowreform.errors import ExperimentError, FlowreformError, error
from flowreform.files import inside, open_plain
from flowreform.sweeps.layout import Array, Layout
from flowreform.sweeps.ledger import File

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


# --- the arrays of a sweep's folder, to read -------------------------------------------------------------------------


ZARR = "runs.zarr"


def damaged(place: Path, reason: str) -> ExperimentError:
    """What is said of a file that is not as it was written, whoever notices."""
    repair = "run the same `flowreform sweep` again: only what is damaged is worked out"
    return ExperimentError(error("sweep-damaged", f"the sweep is damaged: {reason}", repair, file=str(place)))


class Arrays:
    """The arrays of a sweep by name. `arrays[name][key]` reads numbers; raises ExperimentError where a file is damaged."""

    def __init__(self, folder: Path, layout: Layout, files: Iterable[File]) -> None:
        import zarr

        store = _Folder(folder, describe(layout, {}, {}), files)
        self._root: Any = zarr.open_group(store, mode="r", zarr_format=3, use_consolidated=False)
        self._folder = folder

    def __getitem__(self, name: str) -> Numbers:
        return Numbers(self._root[name], self._folder / ZARR / name)


class Numbers:
    """One array. `attrs` says what its numbers mean."""

    def __init__(self, array: Any, place: Path) -> None:
        self._array, self._place = array, place
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.attrs: dict[str, Any] = dict(array.attrs)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self._array[key])
        except (FlowreformError, MemoryError, IndexError):
            raise
        except Exception as fault:  # whatever a codec makes of bytes that are not its own
            raise damaged(self._place, "a chunk cannot be read") from fault


class _Folder(Store):
    """Chunks from the folder, metadata from memory; nothing else, and nothing is written."""

    supports_writes = supports_deletes = supports_listing = False

    def __init__(self, folder: Path, described: Mapping[str, bytes], files: Iterable[File]) -> None:
        super().__init__(read_only=True)
        self._folder, self._described = folder, described
        self._files = {file.path: file for file in files}

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        if key in self._described:
            return prototype.buffer.from_bytes(self._described[key])
        file = self._files.get(f"{ZARR}/{key}")
        if file is None:
            return None
        return prototype.buffer.from_bytes(await asyncio.to_thread(self._read, file, byte_range))

    def _read(self, file: File, wanted: ByteRequest | None) -> bytes:
        first, last = _stretch(wanted, file.size)
        try:
            with open_plain(inside(self._folder, file.path)) as handle:
                handle.seek(first)
                content = handle.read(last - first)
                whole = handle.seek(0, 2) == file.size
        except OSError as fault:
            raise damaged(self._folder / file.path, str(fault.strerror or fault)) from fault
        if not whole or (wanted is None and hashlib.sha256(content).hexdigest() != file.sha256):
            raise damaged(self._folder / file.path, "a file is not as it was written")
        return content

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self._described or f"{ZARR}/{key}" in self._files

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()  # never: zarr's own error

    async def delete(self, key: str) -> None:
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        for key in self._described:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self._described:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for key in self._described:
            if key.startswith(prefix):
                yield key.removeprefix(prefix).lstrip("/").partition("/")[0]


def _stretch(wanted: ByteRequest | None, size: int) -> tuple[int, int]:
    """The first byte wanted and the one behind the last."""
    match wanted:
        case RangeByteRequest(start, end):
            return min(start, size), min(end, size)
        case OffsetByteRequest(offset):
            return min(offset, size), size
        case SuffixByteRequest(suffix):
            return max(0, size - suffix), size
        case _:
            return 0, size
