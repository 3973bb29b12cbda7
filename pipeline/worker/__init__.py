"""The process that scores frames with the compiled model."""
