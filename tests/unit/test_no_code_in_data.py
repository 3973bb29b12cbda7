"""Nothing that is read can bring code along: no file of the packages uses what would run it."""

from __future__ import annotations

import ast
import tomllib

import pytest

from tests.shared_data import ROOT

PACKAGES = ("pipeline", "glass_core", "calibration", "tools", "configs")
MODULES = {
    "pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "pandas",
    "multiprocessing", "xml", "tarfile", "zipfile", "runpy", "code",
}  # fmt: skip
"""Those whose data may be code, or whose archives may name any path; xml's readers follow entities."""
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
NEEDS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "yaml.load_all": ("Loader", "yaml.SafeLoader"),
    "yaml.parse": ("Loader", "yaml.SafeLoader"),
}


def faults(text: str) -> list[str]:
    """Each place in a module that could run what it reads."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found += [f"{node.lineno}: import {n.name}" for n in names if n.name.split(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in MODULES:
                found.append(f"{node.lineno}: from {module}")
            case ast.Call(func=func, keywords=keywords):
                name, given = ast.unparse(func), {k.arg: ast.unparse(k.value) for k in keywords}
                if name in CALLS or given.get("shell", "False") != "False":
                    found.append(f"{node.lineno}: {name}")
                if name in NEEDS and given.get(NEEDS[name][0]) != str(NEEDS[name][1]):
                    found.append(f"{node.lineno}: {name} without {NEEDS[name][0]}={NEEDS[name][1]}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_runs_what_it_reads(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {str(path.relative_to(ROOT)): said for path in files if (said := faults(path.read_text(encoding="utf-8")))}
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from joblib import load", "import torch\ntorch.load(p)", "torch.load(p, weights_only=False)",
        "np.load(p)", "np.load(p, allow_pickle=True)", "yaml.load(t, yaml.Loader)", "yaml.parse(t)", "eval('1')",
        "subprocess.run(w, shell=True)", "subprocess.run(w, shell=loud)", "os.system('ls')", "import os.path, marshal",
    ],
)  # fmt: skip
def test_each_way_is_seen(text: str) -> None:
    assert faults(text)


def test_what_is_safe_is_not_blamed() -> None:
    assert not faults(
        "import re\nre.compile('a')\nmodel.eval()\nnp.load(p, allow_pickle=False)\nsubprocess.run(w, shell=False)"
    )


def test_the_linter_refuses_it_too() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        lint = tomllib.load(file)["tool"]["ruff"]["lint"]
    assert {"S301", "S302", "S307", "S506", "S602", "S605", "TID251"} <= set(lint["select"])
    assert "pickle" in lint["flake8-tidy-imports"]["banned-api"]
