"""The page of a run, one file for a browser: cards of clusters, scene, curves, neighbours, names, and warnings."""
