"""Tags of existing resources."""

from collections.abc import Iterable

from rehearsal.plugins.digitalocean.api import DigitalOcean


def retag(
    client: DigitalOcean, kind: str, resource_id: str, old: Iterable[str], new: Iterable[str]
) -> None:
    """Remove the tags that are only in ``old`` and add those only in ``new``."""
    resources = {"resources": [{"resource_id": resource_id, "resource_type": kind}]}
    for tag in sorted(set(old) - set(new)):
        client.call("DELETE", f"/v2/tags/{tag}/resources", resources)
    for tag in sorted(set(new) - set(old)):
        client.call("POST", "/v2/tags", {"name": tag})
        client.call("POST", f"/v2/tags/{tag}/resources", resources)
