"""The three commands in which labels train something, starting from a finished run that never saw labels."""
