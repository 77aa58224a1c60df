"""Object discovery: unsupervised clustering of images, segments and patches into object categories."""

import os

# albumentations asks PyPI for a newer version while it is imported: a delay, and an error line on a closed network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.2.0.dev0"
