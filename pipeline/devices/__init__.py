"""Devices that are asked and never waited for."""
