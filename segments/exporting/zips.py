"""A ZIP archive that is written by appending, so that a writer who dies loses nothing but the file it was writing.

Each file is a local header with its compressed content; ``directory`` reads the headers at last and makes the archive's
end from them. PKWARE: APPNOTE 6.3.9, sections 4.3.6 to 4.3.16 and 4.5.3.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64: Final = struct.Struct("<4sIQI")
_EXTRA_64: Final = struct.Struct("<2HQ")
_DEFLATED: Final = 8
_UTF8: Final = 0x0800
_VERSION, _VERSION_64 = 20, 45
#: Numbers from these on stand in ZIP64's fields, and the plain fields are all ones.
_WIDE_16: Final = 0xFFFF
_WIDE_32: Final = 0xFFFFFFFF
_ONES_16: Final = 0xFFFF
_ONES_32: Final = 0xFFFFFFFF


class BrokenArchiveError(ValueError):
    """The file is not what ``entry`` wrote."""


def entry(name: str, content: bytes, moment: datetime) -> bytes:
    """One file of an archive, as it is appended. Neither it nor its content may reach 4 GB."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(content) + compressor.flush()
    encoded = name.encode()
    day = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    sizes = (zlib.crc32(content), len(packed), len(content))
    header = _LOCAL.pack(b"PK\x03\x04", _VERSION, _UTF8, _DEFLATED, time, day, *sizes, len(encoded), 0)
    return header + encoded + packed


@dataclass(frozen=True)
class _Entry:
    offset: int
    header: bytes
    name: bytes


def directory(file: BinaryIO, size: int) -> bytes:
    """What completes an archive whose entries fill the first ``size`` bytes of ``file``. Raises BrokenArchiveError."""
    records = bytearray()
    count = 0
    for one in _entries(file, size):
        records += _central(one)
        count += 1
    return bytes(records) + _end(count, len(records), size)


def _entries(file: BinaryIO, size: int) -> Iterator[_Entry]:
    offset = 0
    while offset < size:
        file.seek(offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise BrokenArchiveError(offset)
        packed, name_length = struct.unpack_from("<I", header, 18)[0], struct.unpack_from("<H", header, 26)[0]
        yield _Entry(offset, header, file.read(name_length))
        offset += _LOCAL.size + name_length + packed


def _central(one: _Entry) -> bytes:
    """The directory's record of an entry."""
    _magic, version, flags, method, time, day, crc, packed, size, name_length, _extra = _LOCAL.unpack(one.header)
    extra, offset = b"", one.offset
    if one.offset >= _WIDE_32:
        extra, offset, version = _EXTRA_64.pack(1, 8, one.offset), _ONES_32, _VERSION_64
    made_by = version
    record = (
        made_by,
        version,
        flags,
        method,
        time,
        day,
        crc,
        packed,
        size,
        name_length,
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return _CENTRAL.pack(b"PK\x01\x02", *record) + one.name + extra


def _end(count: int, length: int, offset: int) -> bytes:
    files = _ONES_16 if count >= _WIDE_16 else count
    numbers = (_ONES_32 if number >= _WIDE_32 else number for number in (length, offset))
    end = _END.pack(b"PK\x05\x06", 0, 0, files, files, *numbers, 0)
    if count < _WIDE_16 and length < _WIDE_32 and offset < _WIDE_32:
        return end
    wide = _END_64.pack(b"PK\x06\x06", _END_64.size - 12, _VERSION_64, _VERSION_64, 0, 0, count, count, length, offset)
    return wide + _LOCATOR_64.pack(b"PK\x06\x07", 0, offset + length, 1) + end
