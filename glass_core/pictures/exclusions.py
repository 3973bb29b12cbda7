"""exclude.txt: a list of high-scoring good tiles, in which a person marks those that are defects after all."""

from collections.abc import Sequence
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file

EXCLUDE_FILE = "exclude.txt"
KEY_DIGITS = 16
"""So much of a file's sha256 names a picture there."""
_HEAD = """\
# The highest-scoring good tiles; look at them in the contact sheets. Where one is a defect, take the # away from its
# line: its whole picture is left out of the next training and calibration.
"""
_SECTION = "## "


def read_exclusions(folder: Path) -> frozenset[str]:
    """The keys of the pictures that a person marked in a folder's exclude.txt; none where there is no such file."""
    marked = (line for lines in _sections(folder).values() for line in lines if not line.startswith("#"))
    return frozenset(line.split()[0] for line in marked)


def write_exclusions(folder: Path, section: str, found: Sequence[tuple[str, str]]) -> None:
    """Replaces one section of exclude.txt by (key, description) pairs, commented out; marks that are there are kept."""
    sections = _sections(folder)
    marked = [line for line in sections.get(section, []) if not line.startswith("#")]
    keys = {line.split()[0] for line in marked}
    sections[section] = marked + [f"# {key}  {description}" for key, description in found if key not in keys]
    body = "".join(f"\n{_SECTION}{name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())
    with whole_file(folder / EXCLUDE_FILE) as part:
        part.write_text(_HEAD + body, encoding="utf-8")


def _sections(folder: Path) -> dict[str, list[str]]:
    path = folder / EXCLUDE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError):
        raise InputError(f"unreadable list of exclusions, {path}, mend or delete the file") from None
    sections: dict[str, list[str]] = {}
    section = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith(_SECTION):
            section = line.removeprefix(_SECTION)
            sections[section] = []
        elif section:
            sections[section].append(line)
        elif not line.startswith("#"):
            raise InputError(f"a mark before the first section, {path}, move it under a line that begins with ##")
    return sections
