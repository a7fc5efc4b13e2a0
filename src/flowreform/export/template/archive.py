"""A zip file of which some members are replaced and every other stays as it was, compressed bytes included.

Python's own module cannot pass a member on without compressing it anew, so the records are cut and joined here (PKWARE,
APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16). Members are unpacked one at a time and up to a limit; records that
overlap, names that come twice, encryption and ZIP64 are refused.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowreform.errors import ExperimentError, Finding, error
from flowreform.files import read_plain
from flowreform.formats.limits import Limits, how_to_raise

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK, _ZIP64_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07"
_OLE = b"\xd0\xcf\x11\xe0"
STORED, DEFLATED = 0, 8
_ENCRYPTED, _DESCRIPTOR = 0x1, 0x8
_LEVEL = 6
_SAVE_AGAIN = "open it in the program that wrote it and save it again"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its bytes in the file from `start` to `stop` (descriptor and padding included), data from `data`."""

    name: str
    start: int
    data: int
    stop: int
    method: int
    packed: int
    size: int
    crc: int
    central: bytes = field(repr=False)


@dataclass(frozen=True)
class Archive:
    """A zip file in memory. `members` in the order of its directory."""

    file: str
    content: bytes = field(repr=False)
    members: Mapping[str, Member]
    tail: bytes = field(repr=False)
    most: int

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def read(self, name: str) -> bytes:
        """A member, unpacked and checked.

        Raises ExperimentError when it is missing, damaged, packed in another way than by deflate, or over the limit."""
        member = self.members.get(name)
        if member is None:
            raise ExperimentError(_fault(self.file, "it has no such part", _SAVE_AGAIN, element=name))
        if member.size > self.most:
            raise self._too_large(name)
        packed = self.content[member.data : member.data + member.packed]
        if member.method == STORED:
            plain, whole = packed, True
        elif member.method == DEFLATED:
            engine = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                plain = engine.decompress(packed, self.most + 1)
            except zlib.error as fault:
                raise ExperimentError(_fault(self.file, "the part is damaged", _SAVE_AGAIN, element=name)) from fault
            whole = engine.eof
        else:
            raise ExperimentError(_fault(self.file, "the part is packed in an unusual way", _SAVE_AGAIN, element=name))
        if len(plain) > self.most:
            raise self._too_large(name)
        if not whole or len(plain) != member.size or zlib.crc32(plain) != member.crc:
            raise ExperimentError(_fault(self.file, "the part is damaged", _SAVE_AGAIN, element=name))
        return plain

    def _too_large(self, name: str) -> ExperimentError:
        reason = f"the part unpacks to more than {self.most:,} bytes"
        return ExperimentError(_fault(self.file, reason, how_to_raise("file_bytes"), element=name))

    def with_members(
        self, replaced: Mapping[str, bytes], removed: Collection[str] = (), added: Mapping[str, bytes] | None = None
    ) -> bytes:
        """The file with some members replaced, removed or added at the end; all others keep their bytes and their order."""
        out, places = bytearray(), {}
        for member in sorted(self.members.values(), key=lambda item: item.start):
            if member.name in removed:
                continue
            new = replaced.get(member.name)
            start = len(out)
            if new is None:
                out += self.content[member.start : member.stop]
                places[member.name] = (start, member.central)
            else:
                out += _record(self.content[member.start : member.data], new)
                places[member.name] = (start, _entry(member.central, new))
        for name, plain in (added or {}).items():
            local, central = _new(name, plain)
            places[name] = (len(out), central)
            out += local
        directory = len(out)
        for name in (*self.members, *(added or {})):
            if name in places:
                start, central = places[name]
                out += central[:42] + struct.pack("<L", start) + central[46:]
        count = len(places)
        out += _END.pack(_END_MARK, 0, 0, count, count, len(out) - directory, directory, len(self.tail)) + self.tail
        return bytes(out)


def read_archive(path: Path, limits: Limits) -> Archive:
    """The zip file at `path`. Raises ExperimentError with one line for anything that is not a plain, sound zip file."""
    file = str(path)
    try:
        if path.stat().st_size > limits.file_bytes:
            reason = f"the file is larger than {limits.file_bytes:,} bytes"
            raise ExperimentError(_fault(file, reason, how_to_raise("file_bytes")))
        content = read_plain(path, limits.file_bytes)
    except OSError as fault:
        reason = "there is no such file" if isinstance(fault, FileNotFoundError) else f"it cannot be read: {fault.strerror}"
        raise ExperimentError(error("no-file", reason, "check the path", file=file)) from fault
    if content.startswith(_OLE):
        reason = "this is an old .xls file, or a workbook with a password"
        raise ExperimentError(_fault(file, reason, "save it as .xlsx without a password to open"))
    try:
        return _parsed(file, content, limits)
    except (struct.error, IndexError, UnicodeDecodeError) as fault:
        raise ExperimentError(_fault(file, "this is no workbook: the zip file is damaged", _SAVE_AGAIN)) from fault


def _parsed(file: str, content: bytes, limits: Limits) -> Archive:
    end = content.rfind(_END_MARK, max(0, len(content) - _END.size - 65_535))
    if not content.startswith(_LOCAL_MARK) or end < 0:
        raise ExperimentError(_fault(file, "this is no workbook: not a zip file", "give it an .xlsx or .xlsm file"))
    _, disk, first, here, count, size, directory, comment = _END.unpack_from(content, end)
    if content[max(0, end - 20) : end].startswith(_ZIP64_MARK) or 0xFFFF in (here, count) or 0xFFFFFFFF in (size, directory):
        raise ExperimentError(_fault(file, "the zip file is in the ZIP64 form, which is not read", _SAVE_AGAIN))
    if disk or first or here != count or directory + size != end or end + _END.size + comment != len(content):
        raise ExperimentError(_fault(file, "this is no workbook: the zip file is damaged", _SAVE_AGAIN))
    at, found = directory, []
    for _ in range(count):
        entry = _CENTRAL.unpack_from(content, at)
        length = _CENTRAL.size + sum(entry[10:13])
        if entry[0] != _CENTRAL_MARK or at + length > end:
            raise ExperimentError(_fault(file, "this is no workbook: the zip file is damaged", _SAVE_AGAIN))
        found.append((entry, content[at : at + length]))
        at += length
    starts = [*sorted(entry[16] for entry, _ in found), directory]
    members: dict[str, Member] = {}
    for entry, central in found:
        member = _member(file, content, entry, central, starts)
        if member.name in members:
            raise ExperimentError(_fault(file, "the zip file holds a part twice", _SAVE_AGAIN, element=member.name))
        members[member.name] = member
    return Archive(file, content, members, content[end + _END.size :], limits.file_bytes)


def _member(file: str, content: bytes, entry: tuple[int, ...], central: bytes, starts: list[int]) -> Member:
    _, _, _, flags, method, _, _, crc, packed, size, name_length, *_, start = entry
    local = _LOCAL.unpack_from(content, start)
    data = start + _LOCAL.size + local[9] + local[10]
    raw = central[_CENTRAL.size : _CENTRAL.size + name_length]
    name = raw.decode("utf-8" if flags & 0x800 else "cp437")
    stop = starts[bisect_right(starts, start)] if start < starts[-1] else start
    sound = local[0] == _LOCAL_MARK and content[start + _LOCAL.size : start + _LOCAL.size + local[9]] == raw
    if not sound or data + packed > stop:
        raise ExperimentError(_fault(file, "this is no workbook: the zip file is damaged", _SAVE_AGAIN, element=name))
    if flags & _ENCRYPTED:
        raise ExperimentError(_fault(file, "the part is encrypted", "save the workbook without a password", element=name))
    if 0xFFFFFFFF in (packed, size, start):
        raise ExperimentError(_fault(file, "the zip file is in the ZIP64 form, which is not read", _SAVE_AGAIN))
    return Member(name, start, data, stop, method, packed, size, crc, central)


def _packed(plain: bytes) -> bytes:
    engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(plain) + engine.flush()


def _new(name: str, plain: bytes) -> tuple[bytes, bytes]:
    """The local record and the directory's entry of a new member, dated 1980 as files without a clock are."""
    raw, data = name.encode(), _packed(plain)
    facts = (20, 0x800, DEFLATED, 0, 0x21, zlib.crc32(plain), len(data), len(plain), len(raw))
    central = _CENTRAL.pack(_CENTRAL_MARK, 20, *facts, 0, 0, 0, 0, 0, 0) + raw
    return _LOCAL.pack(_LOCAL_MARK, *facts, 0) + raw + data, central


def _record(head: bytes, plain: bytes) -> bytes:
    """A local record with new data: sizes and checksum stand in it, so no descriptor follows."""
    mark, version, flags, _, time, date, _, _, _, names, extra = _LOCAL.unpack_from(head)
    data = _packed(plain)
    sizes = (zlib.crc32(plain), len(data), len(plain))
    return (
        _LOCAL.pack(mark, version, flags & ~_DESCRIPTOR, DEFLATED, time, date, *sizes, names, extra) + head[_LOCAL.size :] + data
    )


def _entry(central: bytes, plain: bytes) -> bytes:
    """The directory's entry of a member with new data."""
    entry = list(_CENTRAL.unpack_from(central))
    entry[3], entry[4] = entry[3] & ~_DESCRIPTOR, DEFLATED
    entry[7:10] = [zlib.crc32(plain), len(_packed(plain)), len(plain)]
    return _CENTRAL.pack(*entry) + central[_CENTRAL.size :]


def _fault(file: str, reason: str, repair: str, element: str = "") -> Finding:
    return error("workbook", reason, repair, file=file, element=element)
