"""What can be exported of users: the fields of ``/users/export/ids``, and single custom attributes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.exporting import FIELDS
from profiles.models import CustomAttribute

#: All custom attributes; with a dot, before the name of a single one.
ALL_CUSTOM: Final = "custom_attributes"
CUSTOM: Final = f"{ALL_CUSTOM}."
#: So many single ones a request by REST can name (Braze: ``custom_attributes_to_export``).
CUSTOM_LIMIT: Final = 500
#: More columns no spreadsheet shows in a useful way.
COLUMNS_LIMIT: Final = 500

#: Braze documents it beside ours. We hold nothing of the kind, so it is empty for everybody and thus left out.
UNHELD: Final = frozenset({"cards_clicked"})
NAMES: Final[Mapping[str, str | Promise]] = {
    "external_id": _("External ID"),
    "braze_id": _("Braze ID"),
    "created_at": _("Created"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "email": _("Email"),
    "phone": _("Phone"),
    "dob": _("Date of birth"),
    "home_city": _("City"),
    "country": _("Country"),
    "language": _("Language"),
    "time_zone": _("Time zone"),
    "gender": _("Gender"),
    "random_bucket": _("Random bucket"),
    "last_coordinates": _("Last location"),
    "push_subscribe": _("Push subscription"),
    "push_opted_in_at": _("Opted in to push"),
    "push_unsubscribed_at": _("Unsubscribed from push"),
    "email_subscribe": _("Email subscription"),
    "email_opted_in_at": _("Opted in to email"),
    "email_unsubscribed_at": _("Unsubscribed from email"),
    "attributed_source": _("Install attribution: source"),
    "attributed_campaign": _("Install attribution: campaign"),
    "attributed_adgroup": _("Install attribution: ad group"),
    "attributed_ad": _("Install attribution: ad"),
    "custom_attributes": _("All custom attributes, as JSON"),
    "user_aliases": _("Aliases"),
    "apps": _("Apps used"),
    "devices": _("Devices"),
    "push_tokens": _("Push tokens"),
    "uninstalled_at": _("Uninstalled"),
    "custom_events": _("Custom events"),
    "purchases": _("Purchases"),
    "total_revenue": _("Total revenue"),
    "campaigns_received": _("Campaigns received"),
    "canvases_received": _("Canvases received"),
}
#: What is chosen until somebody chooses otherwise.
USUAL: Final = frozenset({"external_id", "first_name", "last_name", "email", "country", "language"})


class UnknownFieldError(ValueError):
    """A field that cannot be exported, or none at all; the message is a sentence that names it."""


def choices() -> list[tuple[str, str | Promise]]:
    """The fields and how people call them; the wire's own name stands for itself."""
    return [(name, NAMES.get(name, name)) for name in FIELDS]


def check_rest(fields: Sequence[str], attributes: Sequence[str] = ()) -> list[str]:
    """The fields asked for by REST that we hold, then the single custom ``attributes``, each once.

    An attribute that nobody has (yet) is nobody's, as a field that we do not hold. Beside ``custom_attributes``, all
    of them are exported whatever is named (Braze: export user profile by segment). Raises UnknownFieldError.
    """
    if not fields:
        raise UnknownFieldError("Name at least one field to export.")
    for name in fields:
        if name not in FIELDS and name not in UNHELD:
            raise UnknownFieldError(
                f"“{name[:100]}” is not a field that can be exported. Custom attributes are named in "
                f"“custom_attributes_to_export”; all of them together are the field “{ALL_CUSTOM}”."
            )
    single = [] if ALL_CUSTOM in fields else [CUSTOM + name for name in dict.fromkeys(attributes)]
    return [*(name for name in dict.fromkeys(fields) if name in FIELDS), *single]


def check_csv(workspace_id: int, fields: Sequence[str]) -> list[str]:
    """The columns asked for in the dashboard, each once: fields, then single custom attributes in the order given.

    Raises UnknownFieldError.
    """
    wanted = list(dict.fromkeys(fields))
    if not wanted:
        raise UnknownFieldError(_now("Choose at least one field."))
    if len(wanted) > COLUMNS_LIMIT:
        raise UnknownFieldError(_now("Choose at most %(most)s fields.") % {"most": COLUMNS_LIMIT})
    attributes = [name.removeprefix(CUSTOM) for name in wanted if name.startswith(CUSTOM)]
    known = _known_attributes(workspace_id, attributes)
    for name in wanted:
        if name not in FIELDS and (not name.startswith(CUSTOM) or name.removeprefix(CUSTOM) not in known):
            raise UnknownFieldError(_now("“%(name)s” is not a field that can be exported.") % {"name": name[:100]})
    return [*(name for name in FIELDS if name in wanted), *(name for name in wanted if name not in FIELDS)]


def _known_attributes(workspace_id: int, names: Collection[str]) -> set[str]:
    clean = [name for name in names if "\x00" not in name]
    found = CustomAttribute.objects.filter(workspace=workspace_id, name__in=clean) if clean else ()
    return {one.name for one in found}


def read_fields(fields: Collection[str]) -> set[str]:
    """Which fields of ``profiles.exporting`` have to be read for these."""
    return {ALL_CUSTOM if name.startswith(CUSTOM) else name for name in fields}


def only_chosen(users: Sequence[Mapping[str, Any]], fields: Collection[str]) -> Sequence[Mapping[str, Any]]:
    """The users with no other custom attributes than ``fields`` names; who has none of them has none at all."""
    chosen = {name.removeprefix(CUSTOM) for name in fields if name.startswith(CUSTOM)}
    if not chosen:
        return users
    narrowed = []
    for user in users:
        kept = {name: value for name, value in user.get(ALL_CUSTOM, {}).items() if name in chosen}
        others = {name: value for name, value in user.items() if name != ALL_CUSTOM}
        narrowed.append(others | ({ALL_CUSTOM: kept} if kept else {}))
    return narrowed


def value_of(user: Mapping[str, Any], name: str) -> Any:
    """What an exported user has in a field; None: nothing."""
    if name.startswith(CUSTOM):
        return user.get(ALL_CUSTOM, {}).get(name.removeprefix(CUSTOM))
    return user.get(name)


def heading(name: str) -> str:
    """The name of a column: as the wire calls the field, so that an import knows it again."""
    return name.removeprefix(CUSTOM)
