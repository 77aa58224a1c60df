"""From a command line and YAML files to typed options: components by name, flags, and the parser."""
