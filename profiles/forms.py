"""Forms of the Audience screens."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from profiles.groups import LIMIT
from profiles.models import Profile, SubscriptionGroup


class SubscriptionGroupForm(forms.ModelForm):
    """Name, channel and description of a subscription group; the channel is chosen once."""

    description = forms.CharField(
        label=_("Description"), required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 3})
    )

    class Meta:
        model = SubscriptionGroup
        fields = ["name", "channel", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["channel"]

    def clean_name(self) -> str:
        """Names are unique in the workspace, which is not on the form; archived groups keep theirs."""
        name: str = self.cleaned_data["name"]
        same = SubscriptionGroup.objects.filter(workspace=self.instance.workspace, name=name)
        if same.exclude(pk=self.instance.pk).exists():
            raise ValidationError(
                _("This workspace has a subscription group of that name already. Choose another name.")
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Braze: a workspace has at most 450 groups."""
        data = super().clean() or {}
        groups = SubscriptionGroup.objects.filter(workspace=self.instance.workspace, archived_at=None)
        if not self.instance.pk and groups.count() >= LIMIT:
            raise ValidationError(
                _("A workspace can have %(limit)s subscription groups. Archive one that is not needed any more."),
                params={"limit": LIMIT},
            )
        return data


class SubscriptionsForm(forms.Form):
    """What a user chose, in all channels: a field for each global state and for each group that is not archived.

    ``chosen`` are the states by group id. A group that the user never chose has an empty choice, which changes nothing.
    """

    email_subscribe = forms.ChoiceField(label=_("Email"), choices=Profile.Subscription.choices)
    push_subscribe = forms.ChoiceField(label=_("Push"), choices=Profile.Subscription.choices)

    def __init__(self, *args: Any, groups: list[SubscriptionGroup], chosen: dict[int, bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups
        look = {"class": "ui-input"}
        for field in self.fields.values():
            field.widget.attrs |= look
        states = [("1", _("Subscribed")), ("0", _("Unsubscribed"))]
        for group in groups:
            never = [] if group.pk in chosen else [("", _("Never chosen"))]
            self.fields[f"group-{group.pk}"] = forms.ChoiceField(
                label=group.name,
                required=False,
                choices=[*never, *states],
                initial={True: "1", False: "0", None: ""}[chosen.get(group.pk)],
                widget=forms.Select(attrs=look),
            )

    @property
    def group_rows(self) -> list[tuple[SubscriptionGroup, forms.BoundField]]:
        """Each group with its field."""
        return [(group, self[f"group-{group.pk}"]) for group in self.groups]

    def columns(self) -> dict[str, str]:
        """The global states, by column."""
        return {name: self.cleaned_data[name] for name in ("email_subscribe", "push_subscribe")}

    def states(self) -> dict[Any, bool]:
        """The states in groups that differ from those before, by the groups' ``api_id``."""
        changed = [(group, name) for group in self.groups if (name := f"group-{group.pk}") in self.changed_data]
        return {group.api_id: value == "1" for group, name in changed if (value := self.cleaned_data[name])}
