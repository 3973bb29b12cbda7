"""The `glassline` command line: one short module a verb."""
