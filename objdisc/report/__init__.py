"""Pictures and pages for people: colours, overlays, and the report of a run."""
