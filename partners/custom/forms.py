"""Naming a partner of one's own."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from partners.models import Integration
from partners.registry import partner, partners
from workspaces.models import Workspace

#: Words that addresses below Technology Partners begin with.
RESERVED: Final = frozenset({"cohorts", "custom"})


class CustomPartnerForm(forms.Form):
    """Name and slug of a new partner; of one that exists, the name alone: the slug is its identity."""

    name = forms.CharField(
        label=_("Name"), max_length=60, help_text=_("As people know it. The segment filter is named after it.")
    )
    slug = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]{0,39}$",
        label=_("Slug"),
        help_text=_("Part of the address that the partner calls: lower-case letters, digits and hyphens."),
        error_messages={
            "invalid": _("Use up to 40 lower-case letters, digits and hyphens; begin with a letter or a digit.")
        },
    )

    def __init__(self, workspace: Workspace, *args: Any, integration: Integration | None = None, **kwargs: Any) -> None:
        self.workspace, self.integration = workspace, integration
        if integration:
            kwargs.setdefault("initial", {"name": integration.custom_name})
        super().__init__(*args, **kwargs)
        if integration:
            del self.fields["slug"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if any(one.name.casefold() == name.casefold() for one in partners()):
            raise forms.ValidationError(_("There is a partner of this name in the list already. Use that one."))
        others = Integration.objects.filter(workspace=self.workspace, custom_name__iexact=name)
        if self.integration:
            others = others.exclude(pk=self.integration.pk)
        if others.exists():
            raise forms.ValidationError(_("This workspace has a partner of this name already."))
        return name

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED or partner(slug) is not None:
            raise forms.ValidationError(_("This slug is taken by another partner. Choose another one."))
        if Integration.objects.filter(workspace=self.workspace, partner_slug=slug).exists():
            raise forms.ValidationError(_("This workspace has a partner with this slug already."))
        return slug

    def save(self) -> Integration:
        """Make the partner, or give it its new name."""
        name = self.cleaned_data["name"]
        if self.integration is None:
            return Integration.objects.create(
                workspace=self.workspace, partner_slug=self.cleaned_data["slug"], custom_name=name
            )
        self.integration.custom_name = name
        self.integration.save(update_fields=["custom_name"])
        return self.integration
