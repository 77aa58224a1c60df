"""The trainer that every method shares: loading, the loop, checkpoints and logs."""
