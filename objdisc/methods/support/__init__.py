"""Code that several methods share, and that is not a method by itself."""
