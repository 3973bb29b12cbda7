"""Calibration: functions from measured arrays to dated, hashed cards."""
