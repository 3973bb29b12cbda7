"""The process that turns one camera's pictures into numbered frames."""
