"""What several methods stand on and what is no method by itself."""
