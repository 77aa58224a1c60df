"""Clustering and projections that run on plain feature tensors."""
