"""The lock file holds what pyproject.toml asks for, each by its hash; torch alone is named in the Makefile."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.shared_data import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ENTRIES = [block for block in re.split(r"\n(?=[a-z])", LOCK) if block.strip()]


def test_every_entry_is_one_version_with_its_hashes() -> None:
    assert len(ENTRIES) > 60
    for entry in ENTRIES:
        first, *rest = entry.strip().splitlines()
        (pin,) = Requirement(first.rstrip(" \\")).specifier
        assert pin.operator == "=="
        assert rest and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest)


def test_it_holds_what_is_asked_for() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["onnx"], *extras["int8"], *extras["dev"]]
    locked: dict[str, list[str]] = {}
    for entry in ENTRIES:
        pinned = Requirement(entry.splitlines()[0].rstrip(" \\"))
        locked.setdefault(canonicalize_name(pinned.name), []).append(next(iter(pinned.specifier)).version)
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        if name in ("torch", "glassline"):
            continue
        assert name in locked and all(requirement.specifier.contains(version) for version in locked[name]), name
    assert not {"torch", "triton"} & locked.keys() and "TORCH ?= torch==" in (ROOT / "Makefile").read_text(encoding="utf-8")
