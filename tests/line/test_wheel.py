"""What a user installs: the wheel that the sdist gives, in an environment of its own, used from another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.shared_data import ROOT

pytestmark = pytest.mark.full

ROOMS = ("pipeline", "glass_core", "calibration", "configs", "tools")


def run(*words: str | Path, cwd: Path) -> str:
    """Its stdout; the test fails with its stderr."""
    env = {k: v for k, v in os.environ.items() if k not in ("XDG_RUNTIME_DIR", "PYTHONPATH")}
    done = subprocess.run([str(w) for w in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_works_from_another_folder(tmp_path: Path) -> None:
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(sys.executable, "-c", f"import setuptools.build_meta as b; b.build_sdist({str(tmp_path)!r})", cwd=source)
    (sdist,) = tmp_path.glob("glassline-*.tar.gz")
    run(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, sdist, cwd=tmp_path)
    (wheel,) = tmp_path.glob("glassline-*.whl")
    with ZipFile(wheel) as held:
        names = {name for name in held.namelist() if ".dist-info/" not in name}
    assert names == {str(file.relative_to(source)) for room in ROOMS for file in (source / room).rglob("*") if file.is_file()}
    with tarfile.open(sdist) as packed:
        beside = {Path(*Path(member.name).parts[1:]) for member in packed if member.isfile()} - {Path(name) for name in names}
    assert {str(file) for file in beside if file.parts[0] != "glassline.egg-info"} == {
        "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "setup.cfg",
    }  # fmt: skip
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=elsewhere).strip())
    # The libraries are gigabytes: they are lent from this environment, behind the new one's own packages.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=elsewhere)

    where = run(python, "-c", "import pipeline, tools, configs; print(pipeline.__file__, tools.__file__)", cwd=elsewhere)
    assert all(str(tmp_path / "env") in path for path in where.split())
    shipped = {p.name for p in (site / "configs").glob("*.yaml")}
    assert shipped == {p.name for p in (ROOT / "configs").glob("*.yaml")}
    static = Path("pipeline") / "dashboard" / "static"
    assert {p.name for p in (site / static).iterdir()} == {p.name for p in (ROOT / static).iterdir()}
    facts = json.loads(run(tmp_path / "env" / "bin" / "glassline", "doctor", "--json", cwd=elsewhere))
    assert facts["schema"] == 1
    assert "glassline" in run(tmp_path / "env" / "bin" / "glassline", "--version", cwd=elsewhere)
    assert "replay" in run(python, "-m", "tools", "--help", cwd=elsewhere)
