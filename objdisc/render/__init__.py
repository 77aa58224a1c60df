"""Pictures as files: overlays, sheets, outlines and charts."""
