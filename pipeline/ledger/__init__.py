"""The record of a line: the process that writes it, and how it is read again."""
