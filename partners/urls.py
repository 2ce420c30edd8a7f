"""REST addresses of the partner cohort API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
