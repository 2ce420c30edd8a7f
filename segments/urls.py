from django.urls import re_path

from segments.api import SegmentDetails, SegmentList

urlpatterns = [
    re_path(r"^segments/list/?$", SegmentList.as_view()),
    re_path(r"^segments/details/?$", SegmentDetails.as_view()),
]
