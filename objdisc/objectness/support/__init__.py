"""What several sources of regions stand on and what is no source by itself."""
