"""Exports of a segment's users to files: by REST as Braze documents it, and as CSV from the dashboard."""
