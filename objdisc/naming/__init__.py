"""Categories that a person makes from clusters, and the file that holds them."""
