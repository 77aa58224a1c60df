"""Methods: each one module, one class behind the seam of ``base.Method``."""
