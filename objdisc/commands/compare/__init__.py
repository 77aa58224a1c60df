"""Several configs on one data set in one table."""
