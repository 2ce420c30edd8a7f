"""What the builder's JavaScript says: whole sentences, ``{name}`` for what it fills in."""

from django.utils.translation import gettext as _


def builder_texts() -> dict[str, object]:
    """The texts in the reader's language."""
    return {
        "total": _("Total Reachable Users = {count}"),
        "channel": _("{channel}: {count}"),
        "channels": {"email": _("Email")},
        "expand": _("Expand extra funnel statistics"),
        "collapse": _("Collapse extra funnel statistics"),
        "waiting": _("{count} changes to these cohorts are still being applied. The numbers follow in a moment."),
        "filters": _("Filters"),
        "addFilter": _("Add Filter"),
        "addOrFilter": _("Add OR Filter"),
        "selectFilter": _("Select Filter..."),
        "searchValue": _("Search for a value"),
        "searchAttribute": _("Search for an attribute"),
        "enterValues": _("Enter values, each with the Enter key"),
        "remove": _("Remove {name}"),
        "removeFilter": _("Remove the filter {name}"),
        "removeGroup": _("Remove exclusion group {number}"),
        "exclusionGroup": _("Exclusion group {number}"),
        "moveRow": _("Move row {row}"),
        "moved": _("Moved to row {row} of {rows}."),
        "version": _("Version {version}"),
        "restore": _("Restore version {version}"),
        "restoreAsks": _("Your unsaved changes will be replaced by that version. Go on?"),
        "restored": _("Version {version} is in the builder. Save to make it the segment again."),
        "inside": _("In the segment"),
        "outside": _("Not in the segment"),
        "saved": _("Saved."),
        "unfinished": _("Not saved: complete or remove the marked filters first."),
        "refused": _("That did not work. Reload the page and try again."),
        "offline": _("The server cannot be reached. Check your connection and try again."),
    }
