"""What the JavaScript of the builder says: whole sentences, ``{name}`` for what it fills in."""

from django.utils.translation import gettext as _

from segments.reach import CHANNELS


def builder_texts() -> dict[str, object]:
    """The texts of the segment builder, in the reader's language."""
    return {
        **draft_texts(),
        **editor_texts(),
        "why": _("Why is {name} in the segment, or not?"),
        "version": _("Version {version}"),
        "restore": _("Restore version {version}"),
        "restoreAsks": _("Your unsaved changes will be replaced by that version. Go on?"),
        "restored": _("Version {version} is in the builder. Save to make it the segment again."),
        "inside": _("In the segment"),
        "outside": _("Not in the segment"),
    }


def draft_texts() -> dict[str, object]:
    """Those of static/segments/draft.js."""
    return {
        "saved": _("Saved."),
        "unfinished": _("Not saved: complete or remove the marked filters first."),
        "refused": _("That did not work. Reload the page and try again."),
        "offline": _("The server cannot be reached. Check your connection and try again."),
    }


def editor_texts() -> dict[str, object]:
    """Those of the filter editor, static/segments/filters.js."""
    return {
        "total": _("Total Reachable Users = {count}"),
        "estimatedTotal": _("Total Reachable Users = about {count}"),
        "estimate": _("About {count} users match this filter. The exact number is on its way."),
        "channel": _("{channel}: {count}"),
        "channels": {key: str(name) for key, name in CHANNELS.items()},
        "expand": _("Expand extra funnel statistics"),
        "collapse": _("Collapse extra funnel statistics"),
        "waiting": _("{count} changes and events are still being applied. The numbers follow in a moment."),
        "filters": _("Filters"),
        "addFilter": _("Add Filter"),
        "addOrFilter": _("Add OR Filter"),
        "selectFilter": _("Select Filter..."),
        "searchValue": _("Search for a value"),
        "searchAttribute": _("Search for an attribute"),
        "enterValues": _("Enter values, each with the Enter key"),
        "uploading": _("Uploading…"),
        "enterPath": _("Path, such as address.city or [].price"),
        "searchProperty": _("Search for a property"),
        "withProperty": _("WITH PROPERTY"),
        "and": _("AND"),
        "condition": _("Property condition {number}"),
        "removeCondition": _("Remove property condition {number}"),
        "remove": _("Remove {name}"),
        "removeFilter": _("Remove the filter {name}"),
        "removeGroup": _("Remove exclusion group {number}"),
        "exclusionGroup": _("Exclusion group {number}"),
        "moveRow": _("Move row {row}"),
        "moved": _("Moved to row {row} of {rows}."),
        "refused": _("That did not work. Reload the page and try again."),
        "offline": _("The server cannot be reached. Check your connection and try again."),
    }
