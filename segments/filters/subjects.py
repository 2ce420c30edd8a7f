"""What a leaf of a filter is about, where the filter alone does not say it: an attribute, a group, a product.

A subject is an object beside the operator. How it is checked, described in the JSON Schema, said in words and drawn in
the builder is here, as for values in ``segments.filters.values``. It may also decide which operators there are: those
of a custom attribute follow its type.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from segments.filters.values import MissingError, check_text

#: A subject in its stored form.
About = Mapping[str, Any]
MAX_NAME = 255


@dataclass(frozen=True)
class Subject(ABC):
    """A kind of subject. ``widget`` names what the builder draws."""

    widget: ClassVar[str] = ""
    #: The member that decides which of the filter's operators there are; "" when they are always the same.
    decides: ClassVar[str] = ""
    #: Whether it is said instead of the filter's name ("“plan” equals …"), or after it.
    says_all: ClassVar[bool] = False

    @abstractmethod
    def check(self, subject: Any) -> dict[str, Any]:
        """The subject in its stored form. Raises ValueError (MissingError: not chosen) with a sentence for people."""

    @abstractmethod
    def properties(self, kind: str) -> dict[str, Any]:
        """JSON Schema of its members, all of which are required; ``kind`` is the value of the one that decides."""

    @abstractmethod
    def words(self, subject: About, labels: Mapping[str, str]) -> str:
        """The subject for people."""

    def named(self, subject: About) -> list[str]:
        """The names and ids in it whose labels are to be looked up (``Filter.subject_labels``); it may be unchecked."""
        return []

    def definition(self) -> dict[str, Any]:
        """What the builder has to know to draw it: ``empty`` is the subject of a new filter."""
        return {"widget": self.widget, "decides": self.decides, "empty": {}}

    def kind(self, subject: About | None) -> str:
        """Which of the filter's sets of operators a leaf about ``subject`` has."""
        found = subject.get(self.decides, "") if subject and self.decides else ""
        return found if isinstance(found, str) else ""

    def schema(self, kind: str) -> dict[str, Any]:
        """JSON Schema of the stored form."""
        members = self.properties(kind)
        return {"type": "object", "additionalProperties": False, "required": [*members], "properties": members}


@dataclass(frozen=True)
class OneOf(Subject):
    """One thing that the filter offers, kept in one member: a subscription group's id, a product's name.

    ``label`` is the accessible name of its box in the builder; ``missing`` asks for it.
    """

    widget = "one"
    member: str = "id"
    label: str | Promise = ""
    missing: str | Promise = ""

    def check(self, subject: Any) -> dict[str, Any]:
        _members(subject, {self.member})
        if not subject.get(self.member):
            raise MissingError(str(self.missing))
        return {self.member: checked_name(subject[self.member])}

    def properties(self, kind: str) -> dict[str, Any]:
        return {self.member: {"type": "string", "minLength": 1, "maxLength": MAX_NAME}}

    def words(self, subject: About, labels: Mapping[str, str]) -> str:
        name = str(subject.get(self.member, ""))
        return f"“{labels.get(name, name)}”"

    def named(self, subject: About) -> list[str]:
        name = subject.get(self.member)
        return [name] if isinstance(name, str) else []

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "member": self.member, "label": str(self.label), "empty": {self.member: ""}}


@dataclass(frozen=True)
class Attribute(Subject):
    """A custom attribute, and the type that the comparison takes it for."""

    widget = "attribute"
    decides = "type"
    says_all = True
    types: tuple[str, ...] = field(default=())

    def check(self, subject: Any) -> dict[str, Any]:
        _members(subject, {"name", "type"})
        if not subject.get("name"):
            raise MissingError(_("Choose an attribute."))
        return {"name": checked_name(subject["name"]), "type": self._type(subject.get("type"))}

    def _type(self, found: Any) -> str:
        if not isinstance(found, str) or found not in self.types:
            raise ValueError(_("The attribute's type is one of these: %(types)s.") % {"types": ", ".join(self.types)})
        return found

    def properties(self, kind: str) -> dict[str, Any]:
        return {"name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME}, "type": {"const": kind}}

    def words(self, subject: About, labels: Mapping[str, str]) -> str:
        return f"“{subject.get('name', '')}”"

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "empty": {"name": "", "type": ""}}


def checked_name(name: Any) -> str:
    """A name or id as it is stored. Raises ValueError."""
    text = check_text(name)
    if len(text) > MAX_NAME:
        raise ValueError(_("Enter at most %(most)s characters.") % {"most": MAX_NAME})
    return text


def _members(subject: Any, known: set[str]) -> None:
    """Raise MissingError when there is no subject, ValueError when it has members that it must not have."""
    if not subject:
        raise MissingError(_("Choose what the filter is about."))
    if unknown := [str(name)[:60] for name in subject if name not in known]:
        raise ValueError(_("“%(name)s” is not known here.") % {"name": unknown[0]})
