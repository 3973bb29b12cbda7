"""The scripts for completion, tried in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_data import ROOT
from tools.cli import VERBS, main


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script; what makes it loads no engine."""
    code = (
        "import sys; from tools.cli import main; status = main(['completion', 'bash']); "
        "sys.exit(status or 'torch' in sys.modules or 'openvino' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    script = tmp_path_factory.mktemp("completion") / "glassline"
    script.write_text(done.stdout)
    return script


def offered(script: Path, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    typed = " ".join(f"'{word}'" for word in ("glassline", *words))
    ask = (
        f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
        "$(complete -p glassline | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", ask], cwd=folder, capture_output=True, text=True, timeout=30)
    return {word.strip() for word in done.stdout.splitlines()}


def test_bash_offers_verbs_words_options_choices_and_files(bash: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").touch()
    assert set(VERBS) <= offered(bash, tmp_path, "")
    assert offered(bash, tmp_path, "va") == {"validate"}
    assert "--metres" in offered(bash, tmp_path, "record", "x.yaml", "--m")
    assert offered(bash, tmp_path, "camera", "l") == {"list"}
    assert offered(bash, tmp_path, "tell", "x.yaml", "bypass", "of") == {"off"}
    assert offered(bash, tmp_path, "completion", "z") == {"zsh"}
    assert "my.yaml" in offered(bash, tmp_path, "validate", "m")
    assert "my.yaml" in offered(bash, tmp_path, "replay", "x", "--config", "m")


def test_zsh_takes_its_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#compdef glassline") and "validate" in script
    if (zsh := shutil.which("zsh")) is None:
        pytest.skip("no zsh on this machine")
    (tmp_path / "_glassline").write_text(script)
    assert subprocess.run([zsh, "-n", str(tmp_path / "_glassline")], timeout=30).returncode == 0


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["completion", "fish"])
    assert left.value.code == 2 and "invalid choice" in capsys.readouterr().err
