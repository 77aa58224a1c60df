"""Clustering objectives as pure functions of tensors: they know no trainer and no labels."""
