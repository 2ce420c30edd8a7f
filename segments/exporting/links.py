"""Where the file of an export can be fetched by whoever has the link: signed, and gone when the file is."""

from pathlib import Path

from django.conf import settings
from django.core import signing
from django.urls import reverse

from segments.exporting.formats import FORMATS
from segments.stores import SegmentExport

_SALT = "segments.exporting"


def file_name(export: SegmentExport) -> str:
    """The name of the file: its prefix with the ending of its format."""
    return f"{export.prefix}.{FORMATS[export.format].extension}"


def path_of(export: SegmentExport) -> Path:
    """Where the file lies."""
    return Path(settings.EXPORT_DIR) / file_name(export)


def url_of(export: SegmentExport) -> str:
    """The address of the file. It works from the moment when the file is complete until it expires."""
    name = file_name(export)
    path = reverse("segment_export_file", args=[name])
    return f"{settings.PUBLIC_URL}{path}?signature={signing.Signer(salt=_SALT).signature(name)}"


def is_signed(name: str, signature: str) -> bool:
    """Whether ``url_of`` made that signature for the file with this name, with any of our keys."""
    try:
        signing.Signer(salt=_SALT).unsign(f"{name}:{signature}")
    except signing.BadSignature:
        return False
    return True
