"""The dashboard's frame: the admin site, its left bar, its workspace picker and its home."""
