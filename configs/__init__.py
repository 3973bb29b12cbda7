"""Example configurations, shipped with the package."""
