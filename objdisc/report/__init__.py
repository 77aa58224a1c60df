"""The page of a run, one file that a browser opens: cards of clusters, scene, curves, neighbours, names, and warnings."""
