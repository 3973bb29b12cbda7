"""What people said about the defects of a run: a file that only grows, so that every report can be traced."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from glass_core.errors import InputError
from pipeline.ledger.journal import Journal
from pipeline.messages.domains import MAX_LABEL

FILE = "dispositions.jsonl"
Word = Literal["defect", "acceptable", "lint", "mended", "cut_out"]
Key = tuple[int, int, int]
FALSE_ALARMS = {"acceptable", "lint"}
"""What was signalled and is no defect of the cloth."""
MAX_KINDS = 100
"""Of those that people have said so many are offered again."""
UNKNOWN = "unknown"
"""What is proposed of a defect unlike all kinds that people have named."""
WORDS = (UNKNOWN, *get_args(Word))
"""They stand where a kind may stand, and mean something else."""


def _in_one_spelling(name: str) -> str:
    name = unicodedata.normalize("NFC", " ".join(name.split()).lower())
    if not (name[:1].isalpha() and name.isprintable() and len(name) <= MAX_LABEL) or name in WORDS:
        rule = f"a kind begins with a letter and has {MAX_LABEL} characters that can be printed at most"
        raise ValueError(f"{rule}, and is none of {', '.join(WORDS)}")
    return name


Kind = Annotated[str, AfterValidator(_in_one_spelling)]
"""What people call a kind of defect: `Slub ` and `slub` are one, and no spreadsheet takes one for a formula.

Grading has rules for `hole` and `pinhole`.
"""


class Disposition(BaseModel):
    """One person's word on one defect; a later word on the same defect replaces it in the report, and both stay on file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    run_id: str
    key: Key
    word: Word | None
    """Only a `defect` gets points; null: the word before it is taken back, as if nobody had said anything."""
    kind: Kind | None = None
    """Which kind of defect."""
    by: str = Field(default="", max_length=64)
    note: str = Field(default="", max_length=500)
    at: datetime


def read_dispositions(folder: Path, run_id: str | None = None) -> list[Disposition]:
    """All that was said about a run, oldest first: the number of a report's revision is how much that is. Null: of all runs."""
    path = folder / FILE
    if not path.is_file():
        return []
    said: list[Disposition] = []
    try:
        whole_lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last was not said to its end
        for line in whole_lines:
            said.append(Disposition.model_validate(json.loads(line)))
    except (OSError, ValueError) as e:
        what = str(e).splitlines()[0]
        raise InputError(
            f"dispositions not readable ({what}), {path} line {len(said) + 1}, mend that line, keep the others"
        ) from None
    return [d for d in said if run_id in (None, d.run_id)]


def known_kinds(said: list[Disposition]) -> list[str]:
    """The kinds that people have said, by name; of very many the latest."""
    latest = dict.fromkeys(d.kind for d in reversed(said) if d.kind is not None)
    return sorted(list(latest)[:MAX_KINDS])


def in_force(said: list[Disposition]) -> dict[Key, Disposition]:
    """The last word on each defect."""
    return {key: d for key, d in {d.key: d for d in said}.items() if d.word is not None}


def waits_for_kind(word: Disposition | None) -> bool:
    """Whether a proposal still says something: nobody has named a kind, nor said that there is no defect."""
    return word is None or (word.word == "defect" and word.kind is None)


def dispose(folder: Path, run_id: str, key: Key, word: Word | None, kind: Kind | None, by: str, note: str) -> Disposition:
    """Add a word; InputError for a name, kind or note that is out of range, and where it cannot be written."""
    try:
        said = Disposition(run_id=run_id, key=key, word=word, kind=kind, by=by, note=note, at=datetime.now(UTC))
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        raise InputError(f"bad `{first['loc'][0]}` of a defect ({first['msg']}), {folder}, mend it") from None
    journal = Journal(folder / FILE, shared=True)
    try:
        journal.add(said.model_dump_json(by_alias=True))
        journal.flush()
        journal.sync()
    except OSError as e:
        raise InputError(f"disposition not written ({e.strerror}), {folder / FILE}, make room on the disk") from None
    finally:
        journal.close()
    return said
