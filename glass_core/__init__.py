"""GLASS anomaly detection: synthesis, training, scoring; the only room that imports torch."""
