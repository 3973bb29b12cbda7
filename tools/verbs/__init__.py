"""The command line's verbs, one a file: arguments and printing alone."""
