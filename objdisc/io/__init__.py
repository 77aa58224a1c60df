"""Folders that commands write to: whose they are, who may write, and how new results take the place of old ones."""
