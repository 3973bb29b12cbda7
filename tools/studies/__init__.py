"""Programs that measure and simulate, each run by `python -m tools.studies.NAME`."""
