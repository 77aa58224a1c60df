"""Code that several sources of regions share, and that is not a source by itself."""
