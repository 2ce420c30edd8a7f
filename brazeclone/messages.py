"""The message catalogues of the dashboard: found in the sources, kept as .po files, compiled to .mo files.

Done with Babel instead of the gettext tools, so that a machine needs nothing but Python. Texts of Unfold that Django's
own catalogues lack are in ours too: the frame around the screens speaks the person's language as well.
"""

import os
from collections.abc import Iterable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final, cast

import django
import unfold
from babel.messages import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

LANGUAGES: Final = ("ja",)
SOURCES: Final = ("brazeclone", "workspaces", "currents", "profiles", "partners", "segments", "messaging", "templates")
KEYWORDS: Final[dict[str, tuple[int | tuple[int, str], ...] | None]] = {
    **dict.fromkeys(("_", "_now", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}

#: A message: its id, or its singular and plural; and its context.
Found = tuple[str | tuple[str, str], str | None]

HEADER: Final = "The Japanese catalogue of brazeclone; see brazeclone/messages.py."


def catalogue_path(language: str) -> Path:
    """The .po file of ``language``; its .mo file lies beside it."""
    return Path(settings.BASE_DIR) / "locale" / language / "LC_MESSAGES" / "django.po"


def found_messages() -> dict[Found, list[str]]:
    """Every message of the sources: (id or (singular, plural), context) and the files that it stands in."""
    base = Path(settings.BASE_DIR)
    found: dict[Found, list[str]] = {}
    for source in SOURCES:
        for file in _files(base / source):
            for message in _messages_of(file):
                files = found.setdefault(message, [])
                if (name := file.relative_to(base).as_posix()) not in files:
                    files.append(name)
    known = _translated_by_django()
    for file in _files(Path(unfold.__file__).parent):
        for message in _messages_of(file):
            if message not in known:
                found.setdefault(message, ["unfold"])
    return found


def update(language: str) -> Catalog:
    """Rewrite the catalogue of ``language``: new messages come in untranslated, what nothing uses goes."""
    old = read_catalogue(language)
    fresh = Catalog(
        locale=language,
        charset="utf-8",
        fuzzy=False,
        header_comment=f"# {HEADER}",
        project="brazeclone",
        version="0.1.0",
        msgid_bugs_address="-",
        last_translator="brazeclone",
        language_team="-",
        creation_date=old.creation_date,
        revision_date=old.creation_date,
    )
    for (identifier, context), files in sorted(found_messages().items(), key=lambda item: str(item[0]).lower()):
        before = old.get(identifier, context)
        fresh.add(
            identifier,
            before.string if before else "",
            [(file, 1) for file in files],
            flags=[flag for flag in (before.flags if before else ()) if flag == "fuzzy"],
            context=context,
        )
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fresh, width=120, include_lineno=False)
    return fresh


def read_catalogue(language: str) -> Catalog:
    """The catalogue of ``language`` as it stands in its .po file; an empty one when there is none."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def problems(language: str) -> list[str]:
    """What keeps the catalogue of ``language`` from being complete: one line for each missing or doubtful message."""
    catalogue, lines = read_catalogue(language), []
    for identifier, context in found_messages():
        message = catalogue.get(identifier, context)
        if message is None or not _is_translated(message):
            lines.append(f"{language}: not translated: {identifier!r}")
        elif message.fuzzy:
            lines.append(f"{language}: fuzzy: {identifier!r}")
        else:
            lines += [f"{language}: {identifier!r}: {error}" for error in message.check(catalogue)]
    return lines


def compile_catalogue(language: str) -> Path:
    """Write the .mo file that Django reads, unless it is newer than the .po file; returns its path."""
    source = catalogue_path(language)
    target = source.with_suffix(".mo")
    if not target.exists() or target.stat().st_mtime <= source.stat().st_mtime:
        part = target.with_suffix(f".{os.getpid()}")
        with part.open("wb") as file:
            write_mo(file, read_catalogue(language))
        part.replace(target)
    return target


_SKIPPED: Final = frozenset({"migrations", "contrib", "__pycache__"})


def _is_translated(message: Message) -> bool:
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return all(strings)


def _files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.py", "*.html", "*.txt"):
        yield from (file for file in sorted(folder.rglob(pattern)) if not _SKIPPED.intersection(file.parts))


def _messages_of(file: Path) -> Iterator[Found]:
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        # What is not a message becomes X's; without indentation the rest can be read as Python.
        text = "\n".join(line.strip() for line in templatize(text, origin=str(file)).splitlines())
    calls = cast(Any, extract_python(BytesIO(text.encode()), KEYWORDS, [], {"encoding": "utf-8"}))
    for _line, function, arguments, _comments in calls:
        message = _message(KEYWORDS[function], arguments if isinstance(arguments, tuple) else (arguments,))
        if message:
            yield message


def _message(places: Iterable[int | tuple[int, str]] | None, arguments: tuple[str | None, ...]) -> Found | None:
    """The message that a call with these ``arguments`` names; None when it names none (its text is a variable)."""
    context, texts = None, []
    for place in places or (1,):
        index = place[0] if isinstance(place, tuple) else place
        value = arguments[index - 1] if len(arguments) >= index else None
        if not value:
            return None
        if isinstance(place, tuple):
            context = value
        else:
            texts.append(value)
    return (texts[0] if len(texts) == 1 else (texts[0], texts[1])), context


def _translated_by_django() -> set[Found]:
    known: set[Found] = set()
    for path in Path(django.__file__).parent.rglob("locale/ja/LC_MESSAGES/django.po"):
        for message in read_po(StringIO(path.read_text(encoding="utf-8"))):
            if message.id and _is_translated(message):
                known.add((cast(Any, message.id), message.context))
    return known
