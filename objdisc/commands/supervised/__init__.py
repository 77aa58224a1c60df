"""The three commands in which labels train something, beside a finished run that never saw one."""
