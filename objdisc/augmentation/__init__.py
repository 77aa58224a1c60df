"""Views of patches that differ as a camera, the light and the pose would make them differ; whole batches in torch."""
