"""The operations of the API that the emulator does not support, and why.

Error responses and docs/coverage.md are derived from this table.
"""

from dataclasses import dataclass

COVERAGE_PAGE = "docs/coverage.md"
"""The list of all operations, for readers."""


@dataclass(frozen=True)
class UnsupportedOperation:
    """A path with all paths below it, or one method of one path."""

    path: str
    """``*`` is any one segment."""
    reason: str
    method: str = ""
    """The only method; without it every method, and all paths below."""

    def matches(self, method: str, path: str) -> bool:
        own_parts, parts = self.path.split("/"), path.split("/")
        if self.method and (self.method != method or len(own_parts) != len(parts)):
            return False
        return len(own_parts) <= len(parts) and all(
            own_part in ("*", part) for own_part, part in zip(own_parts, parts, strict=False)
        )


_VOLUMES = "a machine is a directory on the host, and has no block devices"
_PEERINGS = "each VPC is a separate bridge without routes to other VPCs"
_SUBNETS = "a VPC is one bridge, which connects its members directly"
_CUSTOM = "the emulator downloads no images; create one as a snapshot of a droplet"
_TRANSFER = "an image belongs to the account that created it; accounts share nothing"
_BACKUPS = "backups can be enabled, but none are made"
_KERNELS = "all machines share the host's kernel"
_HOSTS = "all droplets run on this host"
_DATABASES = "the emulator has no managed services; run a database on a droplet"
_KUBERNETES = "the emulator has no managed services; run a cluster on droplets"
_SCALING = "the emulator collects no metrics, which autoscaling needs"
_MONITORING = "the emulator collects no metrics and runs no checks of its own"
_REGISTRY = "the emulator has no container registry; Spaces stores files"
_PLATFORM = "the emulator has no platform for builds, apps or functions; use droplets"
_CDN = "the emulator runs on one host, so a content delivery network has no purpose"
_MARKET = "the emulator has no images or services of other vendors"
_MONEY = "the emulator is free; sizes have their list prices"
_IPV6 = "machines have no IPv6"
_BEYOND = "the emulator routes no traffic beyond this host"
_FILES = "machines share no file system"
_INFERENCE = "the emulator serves no models"
_SECURITY = "the emulator scans no accounts"
_SUPPORT = "the emulator has no support team"

TABLE = (
    UnsupportedOperation("/v2/volumes", _VOLUMES),
    UnsupportedOperation("/v2/vpcs/*/peerings", _PEERINGS),
    UnsupportedOperation("/v2/vpc_peerings", _PEERINGS),
    UnsupportedOperation("/v2/vpcs/*/subnets", _SUBNETS),
    UnsupportedOperation("/v2/vpcs/*/routes", _SUBNETS),
    UnsupportedOperation("/v2/images", _CUSTOM, method="POST"),
    UnsupportedOperation("/v2/images/*/account_transfer", _TRANSFER),
    UnsupportedOperation("/v2/droplets/autoscale", _SCALING),
    UnsupportedOperation("/v2/droplets/backups", _BACKUPS),
    UnsupportedOperation("/v2/droplets/*/backups", _BACKUPS),
    UnsupportedOperation("/v2/droplets/*/kernels", _KERNELS),
    UnsupportedOperation("/v2/droplets/*/neighbors", _HOSTS),
    UnsupportedOperation("/v2/reports/droplet_neighbors_ids", _HOSTS),
    UnsupportedOperation(
        "/v2/droplets/*/destroy_with_associated_resources",
        "snapshots are the only resources that outlive a droplet",
    ),
    UnsupportedOperation(
        "/v2/floating_ips", "an older name of /v2/reserved_ips, which is supported"
    ),
    UnsupportedOperation("/v2/load_balancers/*/cache", _CDN),
    UnsupportedOperation("/v2/databases", _DATABASES),
    UnsupportedOperation("/v2/vector-databases", _DATABASES),
    UnsupportedOperation("/v2/kubernetes", _KUBERNETES),
    UnsupportedOperation("/v2/monitoring", _MONITORING),
    UnsupportedOperation("/v2/insights", _MONITORING),
    UnsupportedOperation("/v2/uptime", _MONITORING),
    UnsupportedOperation("/v2/registry", _REGISTRY),
    UnsupportedOperation("/v2/registries", _REGISTRY),
    UnsupportedOperation("/v2/apps", _PLATFORM),
    UnsupportedOperation("/v2/functions", _PLATFORM),
    UnsupportedOperation("/v2/microvms", _PLATFORM),
    UnsupportedOperation("/v2/cdn", _CDN),
    UnsupportedOperation("/v2/1-clicks", _MARKET),
    UnsupportedOperation("/v2/add-ons", _MARKET),
    UnsupportedOperation("/v2/customers", _MONEY),
    UnsupportedOperation("/v2/billing", _MONEY),
    UnsupportedOperation("/v2/invoices", _MONEY),
    UnsupportedOperation("/v2/reserved_ipv6", _IPV6),
    UnsupportedOperation("/v2/byoip_prefixes", _BEYOND),
    UnsupportedOperation("/v2/vpc_nat_gateways", _BEYOND),
    UnsupportedOperation("/v2/partner_network_connect", _BEYOND),
    UnsupportedOperation("/v2/nfs", _FILES),
    UnsupportedOperation("/v2/gen-ai", _INFERENCE),
    UnsupportedOperation("/v2/dedicated-inferences", _INFERENCE),
    UnsupportedOperation("/v2/agents", _INFERENCE),
    UnsupportedOperation("/v2/action-gateway", _INFERENCE),
    UnsupportedOperation("/v2/organizations", "an account of the emulator has no teams"),
    UnsupportedOperation("/v2/security", _SECURITY),
    UnsupportedOperation("/v2/support", _SUPPORT),
)


def reason(method: str, path: str) -> str:
    """Return why an operation is unsupported, or an empty string for any other operation."""
    return next((entry.reason for entry in TABLE if entry.matches(method, path)), "")


def error_message(method: str, path: str) -> str:
    """Return the message for an unsupported operation, or an empty string for any other."""
    why = reason(method, path)
    return (
        f"The rehearsal cloud does not support {method} {path}: {why}. "
        f"{COVERAGE_PAGE} lists all unsupported operations."
        if why
        else ""
    )
