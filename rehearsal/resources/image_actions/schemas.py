"""Request bodies of image actions."""

from typing import Literal

from rehearsal.api.schemas import Body


class ImageAction(Body):
    type: Literal["transfer", "convert"]
    region: str = ""
    """For transfer."""
