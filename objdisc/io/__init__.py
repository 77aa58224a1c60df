"""Atomic files, and folders: whose they are, who may write to them, and how new results replace old ones."""
