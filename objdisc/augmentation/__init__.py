"""Augmented views of patches, which differ as camera, light and pose would make them differ."""
