"""The report of a run, a single HTML page: cards of clusters, scene, curves, neighbours, names, and warnings."""
