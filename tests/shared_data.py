"""Where the real data, weights and oracles lie; tests that use them skip where they are absent."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def shared(path: str) -> Path:
    """A file or folder under shared/; the test that asks for it skips where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"needs {path} from the shared data, which is not here")
    return found
