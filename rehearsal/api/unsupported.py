"""What the rehearsal cloud leaves out of the API, and why: the one table, for refusals and for docs/coverage.md."""

from dataclasses import dataclass

LIST = "docs/coverage.md"
"""Where all of it stands for readers."""


@dataclass(frozen=True)
class LeftOut:
    """An operation, or all below a path: of ``/v2/volumes`` also ``/v2/volumes/{id}``, whatever the method."""

    path: str
    """``*`` stands for any one segment."""
    reason: str
    method: str = ""
    """Only this method, and only this very path; without it every method, and all below."""

    def covers(self, method: str, path: str) -> bool:
        own, asked = self.path.split("/"), path.split("/")
        if self.method and (self.method != method or len(own) != len(asked)):
            return False
        return len(own) <= len(asked) and all(
            part in ("*", other) for part, other in zip(own, asked, strict=False)
        )


_VOLUMES = "a machine is a directory of the host: there is no block device to attach"
_PEERINGS = "every VPC is a bridge of its own that nothing routes to another; a peering would be a word without packets"
_SUBNETS = "a VPC is one bridge, and all of its members reach each other directly"
_CUSTOM = "nothing is fetched from the Internet; a snapshot of a droplet is the way to an image"
_TRANSFER = "an image belongs to the account that made it; accounts of the rehearsal share nothing"
_BACKUPS = "backups can be switched on, but none is ever made"
_KERNELS = "all machines share the host's kernel"
_HOSTS = "all droplets are on one host, this machine"
_DATABASES = "the machines run what you put on them; no managed service stands beside them"
_KUBERNETES = "no managed service stands beside the droplets; clusters run on droplets"
_SCALING = "pools that grow by themselves need figures of load, and nothing gathers any"
_MONITORING = "nothing gathers figures of machines or checks them from outside"
_REGISTRY = "images of containers are kept in no registry; Spaces keep files"
_PLATFORM = "builds and functions are run by no one; there are droplets only"
_CDN = "nothing is beyond this machine, so nothing could be nearer to anyone"
_MARKET = "images of other vendors are not at hand"
_MONEY = "nobody bills you; sizes have their list prices"
_IPV6 = "machines have no IPv6"
_BEYOND = "nothing is routed beyond this machine"
_FILES = "machines share no file system"
_INFERENCE = "no models are served"
_SECURITY = "nobody inspects the account"
_SUPPORT = "there is nobody to write to"

TABLE = (
    LeftOut("/v2/volumes", _VOLUMES),
    LeftOut("/v2/vpcs/*/peerings", _PEERINGS),
    LeftOut("/v2/vpc_peerings", _PEERINGS),
    LeftOut("/v2/vpcs/*/subnets", _SUBNETS),
    LeftOut("/v2/vpcs/*/routes", _SUBNETS),
    LeftOut("/v2/images", _CUSTOM, method="POST"),
    LeftOut("/v2/images/*/account_transfer", _TRANSFER),
    LeftOut("/v2/droplets/autoscale", _SCALING),
    LeftOut("/v2/droplets/backups", _BACKUPS),
    LeftOut("/v2/droplets/*/backups", _BACKUPS),
    LeftOut("/v2/droplets/*/kernels", _KERNELS),
    LeftOut("/v2/droplets/*/neighbors", _HOSTS),
    LeftOut("/v2/reports/droplet_neighbors_ids", _HOSTS),
    LeftOut(
        "/v2/droplets/*/destroy_with_associated_resources",
        "a droplet has nothing that would outlive it but its snapshots",
    ),
    LeftOut("/v2/floating_ips", "an older name of /v2/reserved_ips, which is served"),
    LeftOut("/v2/load_balancers/*/cache", _CDN),
    LeftOut("/v2/databases", _DATABASES),
    LeftOut("/v2/vector-databases", _DATABASES),
    LeftOut("/v2/kubernetes", _KUBERNETES),
    LeftOut("/v2/monitoring", _MONITORING),
    LeftOut("/v2/insights", _MONITORING),
    LeftOut("/v2/uptime", _MONITORING),
    LeftOut("/v2/registry", _REGISTRY),
    LeftOut("/v2/registries", _REGISTRY),
    LeftOut("/v2/apps", _PLATFORM),
    LeftOut("/v2/functions", _PLATFORM),
    LeftOut("/v2/microvms", _PLATFORM),
    LeftOut("/v2/cdn", _CDN),
    LeftOut("/v2/1-clicks", _MARKET),
    LeftOut("/v2/add-ons", _MARKET),
    LeftOut("/v2/customers", _MONEY),
    LeftOut("/v2/billing", _MONEY),
    LeftOut("/v2/invoices", _MONEY),
    LeftOut("/v2/reserved_ipv6", _IPV6),
    LeftOut("/v2/byoip_prefixes", _BEYOND),
    LeftOut("/v2/vpc_nat_gateways", _BEYOND),
    LeftOut("/v2/partner_network_connect", _BEYOND),
    LeftOut("/v2/nfs", _FILES),
    LeftOut("/v2/gen-ai", _INFERENCE),
    LeftOut("/v2/dedicated-inferences", _INFERENCE),
    LeftOut("/v2/agents", _INFERENCE),
    LeftOut("/v2/action-gateway", _INFERENCE),
    LeftOut("/v2/organizations", "an account of the rehearsal is a token; it has no teams"),
    LeftOut("/v2/security", _SECURITY),
    LeftOut("/v2/support", _SUPPORT),
)


def reason(method: str, path: str) -> str:
    """Why an operation is left out; empty for one that is not in the table."""
    return next((entry.reason for entry in TABLE if entry.covers(method, path)), "")


def refusal(method: str, path: str) -> str:
    """What a client is told about an operation that is left out; empty for one that is not in the table."""
    why = reason(method, path)
    return (
        f"The rehearsal cloud leaves out {method} {path}: {why}. All that is left out is listed in {LIST}."
        if why
        else ""
    )
