"""All addresses: the dashboard below /admin/, REST paths at the root."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path, re_path
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from django.views.i18n import set_language

from brazeclone.openapi import DocsView, SchemaView


@csrf_exempt
def no_such_endpoint(request: HttpRequest) -> HttpResponse:
    """Where no other address fits: also with DEBUG, where Django would explain it to a person at length."""
    return not_found(request, Http404())


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="api_docs"),
    path("", include("currents.urls")),
    path("", include("profiles.urls")),
    path("", include("partners.urls")),
    path("", include("segments.urls")),
    path("", include("messaging.urls")),
    re_path("", no_such_endpoint),
]


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """People get a page, programs get JSON."""
    if request.path_info.startswith("/admin/"):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"message": "There is no such endpoint."}, status=404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For what is refused before any endpoint sees it, such as a header ``Host`` that names no host."""
    if request.path_info.startswith("/admin/"):
        return defaults.bad_request(request, exception)
    return JsonResponse({"message": "The request is malformed: check its address and its headers."}, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """The same for an error of ours; neither tells more than that it happened."""
    if request.path_info.startswith("/admin/"):
        return defaults.server_error(request)
    return JsonResponse({"message": "An internal error occurred."}, status=500)


handler400 = bad_request
handler404 = not_found
handler500 = server_error
