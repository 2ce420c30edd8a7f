"""What the columns of a file mean: a target for each, guessed from its heading and chosen by the person who imports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from profiles import attributes
from profiles.custom_values import NAME_LIMIT
from profiles.identities import CONTACTS
from profiles.models import AttributeType, CustomAttribute, Profile

IGNORE: Final = "ignore"
DEFAULT: Final = "default"
CUSTOM: Final = "custom"
EXTERNAL_ID: Final = "external_id"
BRAZE_ID: Final = "braze_id"
ALIAS_NAME: Final = "alias_name"
ALIAS_LABEL: Final = "alias_label"

#: The ways in which a file can name its users; one of them for the whole file (Braze: CSV import). In a file with none
#: of these the default attributes email and phone do it: see ``profiles.identities.CONTACTS``.
IDENTIFIERS: Final[dict[str, str | Promise]] = {
    EXTERNAL_ID: _("External ID"),
    ALIAS_NAME: _("Alias name"),
    ALIAS_LABEL: _("Alias label"),
    BRAZE_ID: _("Braze ID"),
}
#: The state of a row's user in a subscription group: two columns (Braze: CSV import, updating subscription groups).
GROUP_ID: Final = "subscription_group_id"
GROUP_STATE: Final = "subscription_state"
GROUPS: Final[dict[str, str | Promise]] = {
    GROUP_ID: _("Subscription group ID"),
    GROUP_STATE: _("Subscription state"),
}
#: The default attributes that a file can set and that no column of profiles is named for.
_SWITCHES: Final[dict[str, str | Promise]] = {
    "email_click_tracking_disabled": _("Email click tracking disabled"),
    "email_open_tracking_disabled": _("Email open tracking disabled"),
}
#: How Braze's templates call the columns, where that is not the target's own name.
_HEADINGS: Final = {"user_alias_name": ALIAS_NAME, "user_alias_label": ALIAS_LABEL, "external_user_id": EXTERNAL_ID}


class MappingError(ValueError):
    """Columns that cannot be imported as they are mapped; ``message`` is a sentence for people."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__(str(message))
        self.message = message


@dataclass(frozen=True)
class Column:
    """What one column becomes: ``name`` is the attribute of a default or custom target, ``type`` a custom one's."""

    target: str
    name: str = ""
    type: str = ""

    def to_json(self) -> dict[str, str]:
        return {key: value for key, value in asdict(self).items() if value}

    @property
    def choice(self) -> str:
        """The value of the form's select for it."""
        return f"{DEFAULT}:{self.name}" if self.target == DEFAULT else self.target


def from_json(mapping: Sequence[Mapping[str, str]]) -> list[Column]:
    """The columns that a stored mapping holds."""
    return [Column(**one) for one in mapping]


def default_names() -> dict[str, str]:
    """The default attributes that can be imported, with their names for people."""
    names = {name: _title(column) for name, (column, *_rest) in attributes.COLUMNS.items()}
    return dict(sorted((names | {name: str(label) for name, label in _SWITCHES.items()}).items()))


def _title(column: str) -> str:
    title = str(Profile._meta.get_field(column).verbose_name)  # type: ignore[union-attr]
    return title[:1].upper() + title[1:]


def guess(workspace_id: int, header: Sequence[str], values: Sequence[Sequence[str]]) -> list[Column]:
    """A mapping by the headings; the type of a new custom attribute by the ``values`` of each column."""
    types = known_types(workspace_id)
    return [_guessed(heading, types, values[index]) for index, heading in enumerate(header)]


def known_types(workspace_id: int) -> dict[str, str]:
    """The types of the custom attributes that the workspace has."""
    return dict(CustomAttribute.objects.filter(workspace_id=workspace_id).values_list("name", "type"))


def _guessed(heading: str, types: Mapping[str, str], values: Sequence[str]) -> Column:
    name = heading.strip()
    plain = name.lower().replace(" ", "_")
    plain = _HEADINGS.get(plain, plain)
    if plain in IDENTIFIERS or plain in GROUPS:
        return Column(plain)
    if _is_default(plain):
        return Column(DEFAULT, plain)
    if not is_custom_name(name):
        return Column(IGNORE)
    return Column(CUSTOM, name, types.get(name) or _likely_type([one for one in values if one]))


def _is_default(name: str) -> bool:
    return name in attributes.COLUMNS or name in attributes.SWITCHES


def is_custom_name(name: str) -> bool:
    """Whether a custom attribute can be called so."""
    taken = attributes.COLUMNS.keys() | attributes.KEPT_FIELDS | attributes.OWN_TABLES | attributes.NOT_ATTRIBUTES
    return 0 < len(name) <= NAME_LIMIT and not name.startswith("$") and name not in taken and "\x00" not in name


def _likely_type(values: Sequence[str]) -> str:
    from profiles.importing.converting import BadCellError, custom_converter

    def fits(convert: Callable[[str], Any]) -> bool:
        try:
            return all(convert(value) is not None for value in values)
        except BadCellError:
            return False

    likely = [AttributeType.NUMBER, AttributeType.BOOLEAN, AttributeType.DATE, AttributeType.OBJECT]
    if all(value.startswith("[") for value in values):
        # Any text is an array of one, so only what is written as JSON is taken for one.
        likely.append(AttributeType.ARRAY)
    return next((kind.value for kind in likely if values and fits(custom_converter(kind))), AttributeType.STRING.value)


def check(workspace_id: int, header: Sequence[str], columns: Sequence[Column]) -> list[Column]:
    """The mapping as it will be used: a custom attribute that exists keeps its type. Raises MappingError."""
    if len(columns) != len(header):
        raise MappingError(_("The file has other columns. Upload it again."))
    types = known_types(workspace_id)
    for column in columns:
        _check_column(column)
    _check_once(columns)
    targets = {column.target for column in columns}
    _check_identifiers(targets, {column.name for column in columns if column.target == DEFAULT})
    if (GROUP_ID in targets) != (GROUP_STATE in targets):
        raise MappingError(_("A subscription group needs two columns: its ID and the state of the users."))
    return [Column(CUSTOM, one.name, types.get(one.name, one.type)) if one.target == CUSTOM else one for one in columns]


def _check_column(column: Column) -> None:
    known = column.target in {IGNORE, *IDENTIFIERS, *GROUPS} or (
        _is_default(column.name)
        if column.target == DEFAULT
        else column.target == CUSTOM and column.type in AttributeType.values
    )
    if not known:
        raise MappingError(_("Choose for each column what it becomes."))
    if column.target == CUSTOM and not is_custom_name(column.name):
        raise MappingError(
            format_lazy(
                _(
                    "No custom attribute can be called “{name}”: a name has 1 to 255 characters, does not begin with $ "
                    "and is not that of a default attribute."
                ),
                name=column.name,
            )
        )


def _check_once(columns: Sequence[Column]) -> None:
    used = [(column.target, column.name) for column in columns if column.target != IGNORE]
    if len(set(used)) < len(used):
        raise MappingError(_("Two columns have the same target. Ignore one of them, or choose another target."))


def _check_identifiers(targets: set[str], defaults: set[str]) -> None:
    if (ALIAS_NAME in targets) != (ALIAS_LABEL in targets):
        raise MappingError(_("An alias needs two columns: its name and its label."))
    ways = [name for name in (EXTERNAL_ID, BRAZE_ID, ALIAS_NAME) if name in targets]
    if len(ways) > 1 or (not ways and defaults.isdisjoint(CONTACTS)):
        raise MappingError(
            _(
                "Choose one way to identify users: a column with external IDs, with Braze IDs, or two with aliases. "
                "Without them, a column with email addresses or phone numbers identifies users."
            )
        )
