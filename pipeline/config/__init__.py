"""A line as typed YAML: one section a file."""
