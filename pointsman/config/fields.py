"""The types of the configuration's fields, and what every section of it has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Address = Annotated[str, StringConstraints(pattern=r"^(unix:/.+|[^/:\s]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
# Where a model stands between a small open model (0) and a frontier model (1); better and worse ones lie outside.
Ability = Annotated[float, Field(ge=-3, le=4)]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}/.+$", max_length=264)]
# A word of the operator's own: a tag, a tenant, a place, a data class.
Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TokensPerSecond = Annotated[float, Field(ge=0.001, le=1_000_000)]
# Far above any model's, well within what the contracts can carry.
TokenLimit = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Section(BaseModel):
    """Every part of the file: unknown fields are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
