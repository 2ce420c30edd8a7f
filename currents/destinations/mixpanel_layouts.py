"""Mixpanel events spliced out of their stored bytes: what ``mixpanel_events.build_event`` makes, without decoding.

Senders write the same few forms over and over: the same fields in the same order with values of the same types. Such a
form, a *layout*, becomes one regular expression over the stored JSON, whose groups are the pieces that leave as they
are. The expression names every key and the type of every value, so an event that differs in anything does not match
and is built the ordinary way. No piece is ever escaped: payloads with a backslash anywhere are left alone, and in the
others a string ends at the next quotation mark.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

import orjson

from currents.destinations.mixpanel_events import MAX_CHILDREN, Plan, Slot, insert_id, plan_of
from currents.log import LoggedEvent

#: A form is worth an expression once it was seen so often (and is asked again at every power of two): to compile one
#: takes as long as building a few hundred events.
SIGHTINGS: Final = 64
#: Expressions that are tried on an event of one type: a type with more forms is built the ordinary way.
LAYOUTS_PER_TYPE: Final = 8
_FORMS_COUNTED: Final = 2_000

_STRING: Final = rb'"[^"]*+"'
_NUMBER: Final = rb"(?:0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15})"
#: How a value of each type is written. Numbers too long for a double are left to the ordinary way.
_WRITTEN: Final[dict[type, bytes]] = {
    str: _STRING,
    int: rb"(?:0|-?[1-9][0-9]{0,14})",
    float: rb"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}",
    bool: rb"(?:true|false)",
}
_STRINGS: Final = rb'\[(?:"[^"]*+"(?:,"[^"]*+"){0,%d}+)?\]' % (MAX_CHILDREN - 2)
_HEAD: Final = b'{"properties":{"token":%b,"$partner_id":"braze","time":%d,"distinct_id":%b,"$insert_id":"%b"'
_SCALAR: Final = b"(?:" + b"|".join((_STRING, rb"true|false|null", _NUMBER)) + b")"


@dataclass(frozen=True, slots=True)
class Layout:
    """One form: ``match`` is its expression on a whole payload, ``names`` are the properties that leave.

    ``template`` takes the token, the time, the distinct_id, the $insert_id and the groups of a match; the group
    numbered ``event_name`` (0: none) comes last.
    """

    match: Callable[[bytes], re.Match[bytes] | None]
    template: bytes
    event_name: int
    names: frozenset[str]


class Layouts:
    """The layouts that one process has learned, by event type."""

    def __init__(self) -> None:
        self._known: dict[str, list[Layout]] = {}
        self._sightings: Counter[tuple[str, ...]] = Counter()

    def splice(self, event: LoggedEvent, token: str, changed: Collection[str] = ()) -> bytes | None:
        """The event as ``/import`` takes it, as JSON. None: it must be built.

        ``changed`` are the names of properties that may not leave as they are stored.
        """
        payload = event.payload
        known = self._known.get(event.event_type)
        if known is None or payload is None or b"\\" in payload:
            return None
        for layout in known:
            found = layout.match(payload)
            if found is None:
                continue
            if changed and not layout.names.isdisjoint(changed):
                return None
            if layout is not known[0]:
                _move_forward(known, layout)
            pieces = found.groups()
            if layout.event_name:
                place = layout.event_name
                pieces = (*pieces[: place - 1], *pieces[place:], pieces[place - 1])
            user, event_id = orjson.dumps(event.external_user_id), insert_id(event.event_id)
            return layout.template % (_as_json(token), event.time, user, event_id.encode(), *pieces)
        return None

    def learn(self, event: LoggedEvent, built: Mapping[str, Any]) -> None:
        """Take notice of an event that had to be built, and could be: ``built`` is what became of it."""
        if event.payload is None or len(self._known.get(event.event_type, ())) >= LAYOUTS_PER_TYPE:
            return
        form = (event.event_type, *built["properties"])
        if len(self._sightings) >= _FORMS_COUNTED:
            self._sightings.clear()
        self._sightings[form] += 1
        seen = self._sightings[form]
        if seen >= SIGHTINGS and seen & (seen - 1) == 0:
            known = self._known.setdefault(event.event_type, [])
            layout = make_layout(event.event_type, event.payload)
            # A known one did not do, as the value of a field had to be changed.
            if layout is not None and not any(one.match(event.payload) for one in known):
                known.append(layout)


def make_layout(type_name: str, payload: bytes) -> Layout | None:
    """The layout of an event in its stored form. None: something in it cannot be copied as it stands."""
    stored = orjson.loads(payload)
    if b"\\" in payload or orjson.dumps(stored) != payload or list(stored) != ["user", "properties"]:
        return None
    user, own = stored["user"], stored["properties"]
    if not isinstance(user, dict) or not isinstance(own, dict):
        return None
    try:
        return _make(plan_of(type_name), user, own)
    except _NoLayoutError:
        return None


class _NoLayoutError(Exception):
    """A value that cannot be copied as it stands."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A stored field: how its value is written, and the name under which that leaves (None: it does not).

    ``inner`` are the fields of a value that is an object.
    """

    key: str
    written: bytes = b""
    name: str | None = None
    inner: "list[_Field] | None" = None
    is_event_name: bool = False

    @property
    def is_copied(self) -> bool:
        """Whether it leaves as it stands, name and all."""
        return self.name == self.key

    @property
    def label(self) -> bytes:
        """Its name as the expression has it."""
        return re.escape(orjson.dumps(self.key)) + b":"


def _make(plan: Plan, user: dict[str, Any], own: dict[str, Any]) -> Layout:
    sources = _sources(plan, user, own)
    writer = _Writer()
    expression = b'\\{"user":\\{%b\\},"properties":\\{%b\\}\\}' % (
        writer.fields([_scalar(plan, "user", key, value, sources) for key, value in user.items()]),
        writer.fields(list(_own_fields(plan, own, sources))),
    )
    name = _in_template(plan.name)
    end = b'},"event":"%b %%b"}' % name[1:-1] if writer.event_name else b'},"event":%b}' % name
    template = _HEAD + b"".join(writer.pieces) + end
    return Layout(
        re.compile(expression).fullmatch, template, writer.event_name, frozenset(["$partner_id", *writer.names])
    )


def _sources(plan: Plan, user: dict[str, Any], own: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Which stored field each property comes from, by the rules of ``build_event``."""
    found: dict[str, tuple[str, str]] = {}
    for section, fields in (("user", user), ("own", own)):
        for key, value in fields.items():
            slot = plan.slots.get(key)
            if slot is not None and value is not None and not (slot.is_alias and slot.name in found):
                found[slot.name] = (section, key)
    return found


def _own_fields(plan: Plan, own: dict[str, Any], sources: dict[str, tuple[str, str]]) -> Iterator[_Field]:
    extra = next((name for name in plan.extra_sources if own.get(name) is not None), None)
    for key, value in own.items():
        if key in plan.extra_sources and (key != extra or key in plan.slots) and value is not None:
            raise _NoLayoutError
        if key == extra:
            yield _Field(key, inner=_extra_fields(plan, value))
        elif key in plan.extra_sources and value is None:
            yield _Field(key, b"null")
        elif key == "name" and plan.is_named_by_event:
            if not isinstance(value, str) or not value:
                raise _NoLayoutError
            yield _Field(key, rb'"([^"]++)"', is_event_name=True)
        else:
            yield _scalar(plan, "own", key, value, sources)


def _extra_fields(plan: Plan, value: Any) -> list[_Field]:
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        raise _NoLayoutError
    return [_Field(key, _SCALAR, f"{plan.prefix} {key}") for key in value]


def _scalar(plan: Plan, section: str, key: str, value: Any, sources: dict[str, tuple[str, str]]) -> _Field:
    slot = plan.slots.get(key)
    if slot is None and not isinstance(value, dict | list):
        return _Field(key, _SCALAR)
    if slot is not None and value is None:
        return _Field(key, b"null")
    if slot is None:
        raise _NoLayoutError
    return _Field(key, _written(slot, value), slot.name if sources[slot.name] == (section, key) else None)


def _written(slot: Slot, value: Any) -> bytes:
    """How values like this one are written, if they are of the documented type already."""
    if slot.wanted is None and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _STRINGS
    if slot.wanted is None or type(value) is not slot.wanted:
        raise _NoLayoutError
    return _WRITTEN[slot.wanted]


class _Writer:
    """Writes fields as an expression, and collects what its groups are for."""

    def __init__(self) -> None:
        self.last = 0
        self.pieces: list[bytes] = []
        self.names: list[str] = []
        self.event_name = 0

    def fields(self, fields: list[_Field]) -> bytes:
        """The expression of fields that follow each other; those next to each other that are copied are one group."""
        written: list[bytes] = []
        self.names += [one.name for one in fields if one.name is not None]
        for is_copied, run in groupby(fields, key=lambda one: one.is_copied):
            if is_copied:
                self._keep(b",%b")
                written.append(b"(" + b",".join(one.label + one.written for one in run) + b")")
            else:
                written += [self._field(one) for one in run]
        return b",".join(written)

    def _field(self, one: _Field) -> bytes:
        if one.inner is not None:
            return one.label + rb"\{" + self.fields(one.inner) + rb"\}"
        if one.is_event_name:
            self.last += 1
            self.event_name = self.last
            return one.label + one.written
        if one.name is None:
            return one.label + one.written
        self._keep(b",%b:%%b" % _in_template(one.name))
        return one.label + b"(" + one.written + b")"

    def _keep(self, piece: bytes) -> None:
        self.last += 1
        self.pieces.append(piece)


def _in_template(text: str) -> bytes:
    """``text`` as JSON in a template that values are put into with ``%``."""
    return orjson.dumps(text).replace(b"%", b"%%")


@lru_cache(maxsize=64)
def _as_json(text: str) -> bytes:
    return orjson.dumps(text)


def _move_forward(known: list[Layout], layout: Layout) -> None:
    """What comes often moves to the front, place by place."""
    place = known.index(layout)
    known[place - 1], known[place] = layout, known[place - 1]
