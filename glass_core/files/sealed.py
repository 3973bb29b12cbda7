"""Documents that carry a hash over their own content, so that a change by hand is seen."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class ChangedByHand(Exception):
    """A document's hash is not that of its content."""


class Sealed(BaseModel):
    """A dated document with its hash: threshold and camera cards, manifests of bundles."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    created: datetime
    sha: str

    @classmethod
    def sealed(cls, **fields: object) -> Self:
        """A document, made now unless `created` says when, with the hash over its content filled in."""
        draft = cls.model_validate({"created": datetime.now(UTC).replace(microsecond=0), **fields, "sha": ""})
        return draft.model_copy(update={"sha": draft.content_sha()})

    @classmethod
    def opened(cls, content: bytes) -> Self:
        """The document in a file's bytes. Raises ChangedByHand for a foreign hash, ValidationError for another kind.

        The hash is that of what the file says, so that a document of an earlier form stays what it was. It is looked at
        first: an edited file is told as edited, even where its values are out of range.
        """
        try:
            body = json.loads(content)
            changed = isinstance(body, dict) and "sha" in body and body["sha"] != _sha(body)
        except (ValueError, RecursionError):  # no JSON, as the validation will say
            changed = False
        if changed:
            raise ChangedByHand
        return cls.model_validate_json(content)

    def content_sha(self) -> str:
        """SHA-256 of everything but itself."""
        return _sha(self.model_dump(mode="json", by_alias=True))


def _sha(body: dict[str, Any]) -> str:
    content = {key: value for key, value in body.items() if key != "sha"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
