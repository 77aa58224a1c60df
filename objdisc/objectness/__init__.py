"""Class-agnostic regions of images, one module per source; a module's name is its value of ``--objectness``."""
