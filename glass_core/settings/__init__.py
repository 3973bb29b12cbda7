"""Settings that people write: the base of a section, the one reader of YAML, the one explainer of errors."""
