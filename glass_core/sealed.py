"""Documents that carry a hash over their own content, so that a change by hand is seen."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class Sealed(BaseModel):
    """A dated document with its hash: threshold and camera cards, manifests of bundles."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    created: datetime
    sha: str

    @classmethod
    def sealed(cls, **fields: object) -> Self:
        """A document, made now unless `created` says when, with the hash over its content filled in."""
        draft = cls.model_validate({"created": datetime.now(UTC).replace(microsecond=0), **fields, "sha": ""})
        return draft.model_copy(update={"sha": draft.content_sha()})

    def content_sha(self) -> str:
        """SHA-256 of everything but itself."""
        content = self.model_dump(mode="json", by_alias=True, exclude={"sha"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
