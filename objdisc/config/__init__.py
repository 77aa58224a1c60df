"""From a command line and YAML files to typed options: components by name, settings, and the parser."""
