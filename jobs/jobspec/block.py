"""What all blocks of a job specification share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class Block(BaseModel):
    """A block of a job file. Nomad's API uses its names in Pascal case, with few exceptions."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_pascal,
        populate_by_name=True,
        validate_by_alias=False,
    )
