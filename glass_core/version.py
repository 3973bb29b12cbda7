"""Which version of the program this is."""

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """The installed version; in a source tree that is not installed, `source`."""
    try:
        return version("glassline")
    except PackageNotFoundError:
        return "source"
