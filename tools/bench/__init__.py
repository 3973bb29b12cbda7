"""What `glassline bench` measures, one subject a file."""
