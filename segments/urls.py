from django.urls import path, re_path

from segments.api import SegmentDataSeries, SegmentDetails, SegmentList
from segments.exporting.api import ExportSegmentView
from segments.exporting.downloads import export_file
from segments.preview import SegmentPreview

urlpatterns = [
    re_path(r"^segments/list/?$", SegmentList.as_view()),
    re_path(r"^segments/details/?$", SegmentDetails.as_view()),
    re_path(r"^segments/preview/?$", SegmentPreview.as_view()),
    re_path(r"^segments/data_series/?$", SegmentDataSeries.as_view()),
    re_path(r"^users/export/segment/?$", ExportSegmentView.as_view()),
    path("exports/<str:name>", export_file, name="segment_export_file"),
]
