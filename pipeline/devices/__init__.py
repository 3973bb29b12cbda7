"""Devices that are asked and never waited for."""


class DeviceLost(Exception):
    """The other side does not answer, or refuses what it is asked."""


class DeviceRefuses(DeviceLost):
    """The other side answers that it will not: its connection is whole."""
