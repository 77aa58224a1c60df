"""Users' masks, boxes and classes, one format a module: regions for all code, classes for evaluation alone."""
