"""One module a command; the console command finds them by name."""
