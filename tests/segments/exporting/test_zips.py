"""Archives that are written by appending, read by Python's own reader."""

import io
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.exporting import zips

MOMENT = datetime(2026, 1, 31, 12, 30, 44)


def archive(files: list[tuple[str, bytes]]) -> bytes:
    content = b"".join(zips.entry(name, data, MOMENT) for name, data in files)
    return content + zips.directory(io.BytesIO(content), len(content))


def read(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.testzip() is None
        return [(one.filename, found.read(one)) for one in found.infolist()]


def test_it_works() -> None:
    content = archive([("a.json", b"one" * 1000), ("あ.json", b"")])
    assert read(content) == [("a.json", b"one" * 1000), ("あ.json", b"")]
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.infolist()[0].date_time == (2026, 1, 31, 12, 30, 44)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_what_goes_in_comes_out(contents: list[bytes]) -> None:
    files = [(f"{number}.json", data) for number, data in enumerate(contents)]
    assert read(archive(files)) == files


@pytest.mark.parametrize(("bytes_", "files"), [(100, 0xFFFF), (0xFFFFFFFF, 2), (100, 2)])
def test_beyond_the_old_bounds_it_is_a_zip64(monkeypatch: pytest.MonkeyPatch, bytes_: int, files: int) -> None:
    monkeypatch.setattr(zips, "_WIDE_32", bytes_)
    monkeypatch.setattr(zips, "_WIDE_16", files)
    contents = [(f"{number}.json", bytes([number]) * 300) for number in range(9)]
    content = archive(contents)
    assert b"PK\x06\x06" in content
    assert read(content) == contents


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(zips.BrokenArchiveError):
        zips.directory(io.BytesIO(b"x" * 100), 100)
