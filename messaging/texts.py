"""What the screens of campaigns and of Canvases say differently, and what their JavaScript says."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from segments.texts import draft_texts, editor_texts

Text = str | Promise


@dataclass(frozen=True)
class Words:
    """The sentences of one kind of engagement. ``steps`` are its steps as Braze names them: (key, name)."""

    plural: Text
    edit: Text
    details: Text
    name: Text
    description: Text
    create: Text
    create_first: Text
    search: Text
    include_archived: Text
    none_at_all: Text
    what_it_is: Text
    none_found: Text
    all_archived: Text
    is_archived: Text
    archive_asks: Text
    archive_warns: Text
    conflict: Text
    no_message: Text
    target: Text
    steps: tuple[tuple[str, Text], ...]


CAMPAIGNS = Words(
    plural=_("Campaigns"),
    edit=_("Edit Campaign"),
    details=_("Campaign Details"),
    name=_("Campaign Name"),
    description=_("Campaign Description"),
    create=_("Create Campaign"),
    create_first=_("Create your first campaign"),
    search=_("Search campaigns"),
    include_archived=_("Include archived campaigns"),
    none_at_all=_("No campaigns yet"),
    what_it_is=_(
        "A campaign is a message to the users of your segments. Create one, write what it says, and choose whom."
    ),
    none_found=_("No campaign found"),
    all_archived=_("All campaigns are archived. Include archived campaigns to see them."),
    is_archived=_("This campaign is archived."),
    archive_asks=_("Archive this campaign?"),
    archive_warns=_(
        "It is used by the following. They cannot be evaluated until you choose another campaign there, or bring this"
        " one back:"
    ),
    conflict=_("%(who)s has saved this campaign since you opened it (%(when)s)."),
    no_message=_("This campaign says nothing yet. Choose a channel to write its message."),
    target=_("The campaign is for the users in all of these segments. Without a segment, it is for all users."),
    steps=(("compose", _("Compose")), ("target", _("Target Users"))),
)

CANVASES = Words(
    plural=_("Canvas"),
    edit=_("Edit Canvas"),
    details=_("Canvas Details"),
    name=_("Canvas Name"),
    description=_("Canvas Description"),
    create=_("Create Canvas"),
    create_first=_("Create your first Canvas"),
    search=_("Search Canvases"),
    include_archived=_("Include archived Canvases"),
    none_at_all=_("No Canvases yet"),
    what_it_is=_(
        "A Canvas leads users through several messages. Create one, choose who enters, and write its messages."
    ),
    none_found=_("No Canvas found"),
    all_archived=_("All Canvases are archived. Include archived Canvases to see them."),
    is_archived=_("This Canvas is archived."),
    archive_asks=_("Archive this Canvas?"),
    archive_warns=_(
        "It is used by the following. They cannot be evaluated until you choose another Canvas there, or bring this"
        " one back:"
    ),
    conflict=_("%(who)s has saved this Canvas since you opened it (%(when)s)."),
    no_message=_("This Canvas has no step yet. Choose a channel to write its first message."),
    target=_("The users in all of these segments enter the Canvas. Without a segment, all users enter it."),
    steps=(("target", _("Entry Audience")), ("compose", _("Build"))),
)


def page_texts() -> dict[str, object]:
    """Those of static/messaging/engagement.js, in the reader's language."""
    return {
        **draft_texts(),
        **editor_texts(),
        "include": gettext("Target segments"),
        "exclude": gettext("Excluded segments"),
        "searchSegment": gettext("Search for a segment"),
        "step": gettext("Step {number}"),
        "stepName": gettext("Name of step {number}"),
        "movedStep": gettext("Moved to step {step} of {steps}."),
        "moveUp": gettext("Move {name} up"),
        "moveDown": gettext("Move {name} down"),
        "removeMessage": gettext("Remove the message {name}"),
        "wrong": gettext("Not saved: correct what is marked first."),
    }
