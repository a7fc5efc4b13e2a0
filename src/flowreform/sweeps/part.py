"""What working out one part gives: the bytes of its chunks and what is to be said about its runs; and how that travels."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from flowreform.errors import InternalError
from flowreform.sweeps.ledger import Failed


@dataclass(frozen=True)
class Part:
    """A part worked out: `chunks` holds the bytes of its chunk of each array, `strays` (runs, reads) of each lookup that was
    read outside its points, `machine` where it was made."""

    number: int
    runs: int
    chunks: Mapping[str, bytes]
    failures: tuple[Failed, ...]
    failed: int
    strays: Mapping[str, tuple[int, int]]
    engine: str
    machine: Mapping[str, str]

    def pack(self) -> bytes:
        """As bytes, to send from one process to another: a line of JSON and the chunks behind it."""
        head = {
            "number": self.number,
            "runs": self.runs,
            "chunks": {name: len(content) for name, content in self.chunks.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "failed": self.failed,
            "strays": dict(self.strays),
            "engine": self.engine,
            "machine": dict(self.machine),
        }
        text = json.dumps(head).encode()
        return struct.pack("<Q", len(text)) + text + b"".join(self.chunks.values())

    @classmethod
    def unpack(cls, packed: bytes) -> Part:
        """What `pack` gave. Raises InternalError when it is not whole."""
        (length,) = struct.unpack_from("<Q", packed)
        head = json.loads(packed[8 : 8 + length])
        at, chunks = 8 + length, {}
        for name, size in head["chunks"].items():
            chunks[name] = packed[at : at + size]
            at += size
        if at != len(packed):
            raise InternalError("a part did not arrive whole")
        failures = tuple(Failed(**failure) for failure in head["failures"])
        strays = {name: (pair[0], pair[1]) for name, pair in head["strays"].items()}
        return cls(head["number"], head["runs"], chunks, failures, head["failed"], strays, head["engine"], head["machine"])
