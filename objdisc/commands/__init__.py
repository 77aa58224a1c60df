"""The commands, one module each; the console command finds them by name."""
