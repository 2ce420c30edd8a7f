"""A file comes in: written to IMPORT_DIR as it arrives, whatever its size, and looked at before anything else."""

import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from profiles.importing import mapping
from profiles.importing.mapping import MappingError
from profiles.importing.reading import COLUMNS_LIMIT, SAMPLE_ROWS, Beginning, UnreadableError, path_of, read_beginning
from profiles.stores import UserImport
from workspaces.models import User, Workspace

#: Braze: CSV import, maximum file size.
SIZE_LIMIT: Final = 500 * 1024 * 1024
#: Uploads that nobody started go after so many days, with their files.
KEPT_DAYS: Final = 7
_PART: Final = ".part"


class ImportUploadHandler(FileUploadHandler):
    """Writes the one file of a form to IMPORT_DIR, a chunk at a time; what is over the limit is not kept."""

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.is_too_large = False
        self._path: Path | None = None
        self._file: IO[bytes] | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self._path is not None:
            raise SkipFile
        Path(settings.IMPORT_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path_of(secrets.token_hex(16) + _PART)
        self._file = self._path.open("xb")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._file is None:
            return
        if start + len(raw_data) > SIZE_LIMIT:
            self.is_too_large = True
            self.upload_interrupted()
            raise SkipFile
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self._file is None or self._path is None:
            return None
        self._file.close()
        self._file = None
        return UploadedFile(self._path.open("rb"), self.file_name, size=file_size)

    def upload_interrupted(self) -> None:
        """The sender went away, or the file is not wanted."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def take(workspace: Workspace, user: User, handler: ImportUploadHandler, upload: UploadedFile | None) -> UserImport:
    """Make an import of the file that ``handler`` has received. Raises MappingError with a sentence for people."""
    if handler.is_too_large:
        raise MappingError(_("The file is larger than 500 MB. Divide it into several files, each with the header."))
    if upload is None:
        raise MappingError(_("Choose a CSV file."))
    upload.close()
    part = Path(upload.file.name or "")  # type: ignore[union-attr]
    try:
        beginning = _beginning(part)
        path = part.rename(part.with_suffix(".csv"))
        return UserImport.objects.create(
            workspace=workspace,
            made_by=user,
            file_name=(upload.name or "users.csv")[-255:],
            stored_as=path.name,
            size=path.stat().st_size,
            delimiter=beginning.delimiter,
            header=beginning.header,
            mapping=[one.to_json() for one in _guess(workspace, beginning)],
        )
    except MappingError:
        part.unlink(missing_ok=True)
        raise


def _beginning(path: Path) -> Beginning:
    if path.stat().st_size == 0:
        raise MappingError(_("The file is empty."))
    try:
        beginning = read_beginning(path)
    except UnreadableError:
        raise MappingError(
            _("The file cannot be read. Save it as CSV in UTF-8, with the names of the columns in its first line.")
        ) from None
    if len(beginning.header) > COLUMNS_LIMIT:
        message = _("The file has more than {number} columns. Leave out those that are not to be imported.")
        raise MappingError(format_lazy(message, number=COLUMNS_LIMIT))
    if not beginning.rows and beginning.foreign:
        raise MappingError(_("The rows are not text in UTF-8. Save the file as CSV in UTF-8, and upload it again."))
    if not beginning.rows:
        raise MappingError(_("The file has a header and no rows."))
    return beginning


def _guess(workspace: Workspace, beginning: Beginning) -> Iterator[mapping.Column]:
    values = [list(column) for column in zip(*_padded(beginning), strict=True)]
    return iter(mapping.guess(workspace.pk, beginning.header, values))


def _padded(beginning: Beginning) -> Iterator[list[str]]:
    """The sample's rows, each as wide as the header."""
    width = len(beginning.header)
    for row in beginning.rows[:SAMPLE_ROWS]:
        yield [*row[:width], *[""] * (width - len(row))]


def preview(one: UserImport, count: int) -> list[list[str]]:
    """The first rows of the file; none when it is gone."""
    try:
        return list(_padded(read_beginning(path_of(one.stored_as))))[:count]
    except (OSError, UnreadableError):
        return []


def forget_unused() -> None:
    """Cancel uploads that nobody started in KEPT_DAYS, and remove files that no import needs any more."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    stale = UserImport.objects.filter(state__in=UserImport.OPEN, made_at__lt=before)
    stale.update(state=UserImport.State.CANCELLED, ended_at=timezone.now())
    needed = set(
        UserImport.objects.filter(state__in=UserImport.OPEN | UserImport.WORKING).values_list("stored_as", flat=True)
    )
    folder = Path(settings.IMPORT_DIR)
    for path in folder.iterdir() if folder.exists() else ():
        is_old = path.stat().st_mtime < time.time() - 24 * 3600
        if path.suffix in (_PART, ".csv") and is_old and path.name not in needed:
            path.unlink(missing_ok=True)
