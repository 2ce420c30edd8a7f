from django.urls import re_path

from messaging.api import CampaignDetails, CampaignList, CanvasDetails, CanvasList

urlpatterns = [
    re_path(r"^campaigns/list/?$", CampaignList.as_view()),
    re_path(r"^campaigns/details/?$", CampaignDetails.as_view()),
    re_path(r"^canvas/list/?$", CanvasList.as_view()),
    re_path(r"^canvas/details/?$", CanvasDetails.as_view()),
]
