"""All addresses: the dashboard below /admin/, REST paths at the root."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Programs get JSON also where nothing is."""
    return JsonResponse({"message": "There is no such endpoint."}, status=404)


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
]
