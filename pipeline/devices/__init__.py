"""Devices that are asked and never waited for."""


class DeviceLost(Exception):
    """The other side does not answer, or refuses what it is asked."""
