"""The paths of the dynamic providers, which are part of the state's format."""

import importlib
import itertools
import pkgutil
from collections.abc import Iterator

from pulumi.dynamic import ResourceProvider

import infra
import jobs
from infra.state_format import STATE_FORMAT

PROVIDERS = {
    2: {
        "infra.artifacts.public_object.PublicObjectProvider",
        "infra.backup.schedule.BackupScheduleProvider",
        "infra.cluster.bootstrap.BootstrapProvider",
        "infra.cluster.enrolment.EnrolmentProvider",
        "infra.cluster.management_tokens.ManagementTokensProvider",
        "infra.cluster.membership.MembershipProvider",
        "infra.cluster.readiness.ReadinessProvider",
        "infra.cluster.roster.RosterProvider",
        "infra.cluster.edge_readiness.EdgeReadinessProvider",
        "infra.drift.account_resources.AccountResourcesProvider",
        "infra.drift.consul_entries.ConsulEntriesProvider",
        "infra.drift.droplet_tag.DropletTagProvider",
        "infra.generation.GenerationProvider",
        "infra.image.provider.ImageProvider",
        "jobs.job_health.JobHealthProvider",
        "jobs.job_registration.JobRegistrationProvider",
    }
}
"""By state format. A path must not change: another path needs another ``STATE_FORMAT``."""


def dynamic_providers() -> Iterator[str]:
    """Yield the path of each subclass of ``ResourceProvider`` in the program's packages."""
    modules = itertools.chain.from_iterable(
        pkgutil.walk_packages(package.__path__, f"{package.__name__}.") for package in (infra, jobs)
    )
    for module_info in modules:
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, ResourceProvider)
                and value.__module__ == module.__name__
            ):
                yield f"{module.__name__}.{name}"


def test_paths_of_dynamic_providers_belong_to_the_state_format() -> None:
    assert set(dynamic_providers()) == PROVIDERS[STATE_FORMAT]
