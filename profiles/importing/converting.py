"""Cells of a file become values of attributes. An empty cell changes nothing (Braze: CSV import, blank values)."""

import math
import re
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from profiles import attributes, custom_values
from profiles.choices import group_id, state_of
from profiles.coercion import Declared
from profiles.dates import as_stored, parse_moment
from profiles.identities import CONTACTS, PHONE, BadIdentityError, Identity, alias
from profiles.importing import mapping
from profiles.importing.mapping import Column
from profiles.models import EXTERNAL_ID_LIMIT, AttributeType
from profiles.stores import RefusedRow

Reason = RefusedRow.Reason

#: A column with few different values is converted once for each of them.
_REMEMBERED: Final = 4_096
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


class BadCellError(ValueError):
    """A cell that cannot become a value; ``reason`` says why."""

    def __init__(self, reason: RefusedRow.Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row cannot be used, for the CSV of refused rows."""

    reason: RefusedRow.Reason
    column: str = ""
    value: str = ""


class BadRowError(ValueError):
    """A row that cannot be used. Its ``refusal`` can be kept: an error holds on to everything where it was raised."""

    def __init__(self, reason: RefusedRow.Reason, column: str = "", value: str = "") -> None:
        super().__init__(reason.value)
        self.refusal = Refusal(reason, column, value)


@dataclass(slots=True)
class Record:
    """A row, checked: whom it is about, a value (or None) for each column of ``Converter.columns``, and the custom
    attributes that it sets. ``points`` are its data points, ``rows`` the rows that it was made of, ``choices`` whether
    the user is to be in subscription groups.
    """

    identity: Identity
    values: list[Any]
    custom: dict[str, Any]
    points: int
    rows: int = 1
    choices: dict[uuid.UUID, bool] | None = None

    def add(self, later: "Record") -> None:
        """Take over what a later row about the same user sets."""
        self.values = [old if new is None else new for old, new in zip(self.values, later.values, strict=True)]
        self.custom |= later.custom
        if later.choices:
            self.choices = (self.choices or {}) | later.choices
        self.points += later.points
        self.rows += later.rows


class Converter:
    """Makes records of rows whose cells mean ``columns``; ``groups`` are the subscription groups that there are."""

    def __init__(self, header: Sequence[str], columns: Sequence[Column], groups: Collection[uuid.UUID] = ()) -> None:
        self.header = header
        targets = {column.target: index for index, column in enumerate(columns)}
        defaults = [(i, one.name) for i, one in enumerate(columns) if one.target == mapping.DEFAULT]
        customs = [(i, one) for i, one in enumerate(columns) if one.target == mapping.CUSTOM]
        #: The profile's columns and kept fields that the file sets, in the order of ``Record.values``.
        self.columns = [name if name in attributes.SWITCHES else attributes.COLUMNS[name][0] for _, name in defaults]
        self.custom_types = {one.name: one.type for _, one in customs}
        self._defaults = [
            (index, _Remembering(default_converter(name)), name not in attributes.FREE_FIELDS)
            for index, name in defaults
        ]
        self._customs = [(index, one.name, _Remembering(custom_converter(one.type))) for index, one in customs]
        self._identify = _identifier(targets) or _Contacts(header, defaults)
        self.sets_groups = mapping.GROUP_ID in targets
        if self.sets_groups:
            self._group = targets[mapping.GROUP_ID], _Remembering(_group_among(groups))
            self._state = targets[mapping.GROUP_STATE], _Remembering(_state)

    def record(self, cells: Sequence[str]) -> Record:
        """The record that a row makes. Raises BadRowError."""
        if len(cells) != len(self.header):
            raise BadRowError(Reason.CELLS)
        index = 0
        points = 0
        values: list[Any] = []
        custom: dict[str, Any] = {}
        try:
            for index, known, is_counted in self._defaults:
                value = known[cells[index]]
                values.append(value)
                if is_counted and value is not None:
                    points += 1
            for index, name, known in self._customs:
                value = known[cells[index]]
                if value is not None:
                    custom[name] = value
            choices = self._choices(cells) if self.sets_groups else None
            # Last, for users are found by what rows before them set: by those that are without fault.
            identity = self._identify(cells, values)
        except BadCellError as error:
            if error.reason in (Reason.NO_ID, Reason.BAD_ID):
                raise BadRowError(error.reason) from None
            raise self._bad(error.reason, index, cells) from None
        return Record(identity, values, custom, points + len(custom), choices=choices)

    def _choices(self, cells: Sequence[str]) -> dict[uuid.UUID, bool] | None:
        """Whether the row's user is to be in a subscription group; an empty state changes nothing. Raises BadRowError.

        A state without a group is refused: somebody who unsubscribes must not be passed over.
        """
        given = []
        for index, known in (self._group, self._state):
            try:
                given.append(known[cells[index]])
            except BadCellError as error:
                raise self._bad(error.reason, index, cells) from None
        group, state = given
        if state is None:
            return None
        if group is None:
            raise self._bad(Reason.NO_GROUP, self._group[0], cells)
        return {group: state}

    def _bad(self, reason: RefusedRow.Reason, index: int, cells: Sequence[str]) -> BadRowError:
        return BadRowError(reason, self.header[index], cells[index])


def _identifier(targets: dict[str, int]) -> Callable[[Sequence[str], Sequence[Any]], Identity] | None:
    """What finds the name of the user in the cells of a row; None for a file without a column for names.

    What it gives raises BadCellError.
    """
    if mapping.ALIAS_NAME in targets:
        name, label = targets[mapping.ALIAS_NAME], targets[mapping.ALIAS_LABEL]
        return lambda cells, _: _alias(_id(cells[name]), _id(cells[label]))
    if mapping.BRAZE_ID in targets:
        index = targets[mapping.BRAZE_ID]
        return lambda cells, _: Identity("braze_id", _id(cells[index]).lower())
    if mapping.EXTERNAL_ID in targets:
        index = targets[mapping.EXTERNAL_ID]
        return lambda cells, _: Identity("external_id", _id(cells[index]))
    return None


class _Contacts:
    """Finds whom a row is about in its values: by the email address, or else by the phone number.

    Braze: CSV import, email address and phone numbers. ``defaults`` are the indexes and names of the default
    attributes. A number that an earlier row gave to the user with some address means that user.
    """

    def __init__(self, header: Sequence[str], defaults: Sequence[tuple[int, str]]) -> None:
        self._header = header
        self._places = {name: place for place, (_, name) in enumerate(defaults) if name in CONTACTS}
        self._cells = {name: index for index, name in defaults}
        self._of_phone: dict[str, Identity] = {}

    def __call__(self, cells: Sequence[str], values: Sequence[Any]) -> Identity:
        """The name of the user. Raises BadCellError without one, BadRowError for a number that names nobody."""
        email, phone = (values[self._places[name]] if name in self._places else None for name in CONTACTS)
        if email:
            identity = Identity("email", email)
            if phone:
                self._of_phone[phone] = identity
            return identity
        if not phone:
            raise BadCellError(Reason.NO_ID)
        if not PHONE.fullmatch(phone):
            index = self._cells["phone"]
            raise BadRowError(Reason.BAD_PHONE, self._header[index], cells[index])
        return self._of_phone.get(phone) or Identity("phone", phone)


def _id(cell: str) -> str:
    text = cell.strip()
    if not text:
        raise BadCellError(Reason.NO_ID)
    if len(text) > EXTERNAL_ID_LIMIT:
        raise BadCellError(Reason.BAD_ID)
    return text


def _alias(name: str, label: str) -> Identity:
    try:
        return alias(name, label)
    except BadIdentityError:
        raise BadCellError(Reason.BAD_ID) from None


class _Remembering(dict[str, Any]):
    """Values by cell: those that are not there yet are converted. An empty cell has None."""

    def __init__(self, convert: Callable[[str], Any]) -> None:
        super().__init__({"": None})
        self._convert = convert

    def __missing__(self, cell: str) -> Any:
        text = cell.strip()
        value = self._convert(text) if text else None
        if len(self) < _REMEMBERED:
            self[cell] = value
        return value


def default_converter(name: str) -> Callable[[str], Any]:
    """What makes a value of a default attribute out of a cell; None for one that changes nothing."""
    if name in attributes.SWITCHES:
        return _boolean

    def convert(cell: str) -> Any:
        try:
            found = attributes.column_value(name, cell)
        except attributes.TooLongError:
            raise BadCellError(Reason.TOO_LONG) from None
        except attributes.BadFieldError:
            raise BadCellError(Reason.BAD_VALUE) from None
        return found[1] if found else None

    return convert


def _group_among(groups: Collection[uuid.UUID]) -> Callable[[str], uuid.UUID]:
    """What makes the id of one of these subscription groups out of a cell."""

    def convert(cell: str) -> uuid.UUID:
        try:
            group = group_id(cell)
        except ValueError:
            raise BadCellError(Reason.NO_GROUP) from None
        if group not in groups:
            raise BadCellError(Reason.NO_GROUP)
        return group

    return convert


def _state(cell: str) -> bool:
    try:
        return state_of(cell)
    except ValueError:
        raise BadCellError(Reason.NO_STATE) from None


def custom_converter(kind: str) -> Callable[[str], Any]:
    """What makes a value of a custom attribute of that type (``AttributeType``) out of a cell."""
    return {
        AttributeType.STRING: _string,
        AttributeType.NUMBER: _number,
        AttributeType.BOOLEAN: _boolean,
        AttributeType.DATE: _date,
        AttributeType.ARRAY: _array,
        AttributeType.OBJECT: _object,
    }[AttributeType(kind)]


def _string(cell: str) -> str:
    if len(cell) > attributes.TEXT_LIMIT:
        raise BadCellError(Reason.TOO_LONG)
    return cell


def _number(cell: str) -> int | float:
    if _INTEGER.fullmatch(cell):
        return int(cell)
    try:
        value = float(cell)
    except ValueError:
        raise BadCellError(Reason.NO_NUMBER) from None
    if not math.isfinite(value) or "_" in cell:
        raise BadCellError(Reason.NO_NUMBER)
    return value


def _boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.lower())
    if value is None:
        raise BadCellError(Reason.NO_BOOLEAN)
    return value


def _date(cell: str) -> str:
    moment = parse_moment(cell)
    if moment is None:
        raise BadCellError(Reason.NO_DATE)
    return as_stored(moment)


def _array(cell: str) -> Any:
    """A JSON array, or texts separated by commas."""
    if not cell.startswith("["):
        return [one.strip() for one in cell.split(",") if one.strip()][-custom_values.ARRAY_LIMIT :]
    value = _json(cell, list, Reason.NO_ARRAY)
    return custom_values.changed(None, value, Declared(AttributeType.ARRAY))


def _object(cell: str) -> Any:
    return _json(cell, dict, Reason.NO_OBJECT)


def _json(cell: str, kind: type, reason: RefusedRow.Reason) -> Any:
    try:
        value = orjson.loads(cell)
        if not isinstance(value, kind) or "\\u0000" in cell:
            raise BadCellError(reason)
        if len(cell.encode()) > custom_values.SIZE_LIMIT:
            raise BadCellError(Reason.TOO_LONG)
        custom_values.check(value)
    except (orjson.JSONDecodeError, custom_values.BadValueError):
        raise BadCellError(reason) from None
    return value
