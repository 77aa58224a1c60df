"""Categories: what a person makes of clusters, and the file that carries it."""
