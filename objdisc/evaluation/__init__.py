"""How good the clusters are: the only room of the package that reads class labels."""
