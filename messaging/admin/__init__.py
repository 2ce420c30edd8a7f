"""Screen 7: campaigns and Canvases."""

from messaging.admin.engagements import CampaignAdmin, CanvasAdmin

__all__ = ["CampaignAdmin", "CanvasAdmin"]
