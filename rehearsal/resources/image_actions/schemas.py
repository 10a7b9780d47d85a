"""What an image can be asked to do, on the wire."""

from typing import Literal

from rehearsal.api.schemas import Body


class ImageAction(Body):
    type: Literal["transfer", "convert"]
    region: str = ""
    """Of a transfer."""
