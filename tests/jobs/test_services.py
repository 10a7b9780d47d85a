"""The registry of services."""

from jobs.services import EDGE_NODE, Service, consul_names, services
from services.pack import sources
from tests.jobs.support.declared import settings


def test_every_declared_source_can_be_packed() -> None:
    assert {service.source for service in services(settings())} <= set(sources())


def test_callers_are_declared_services() -> None:
    declared = services(settings())
    callers = {caller for service in declared for caller in service.callers}
    assert callers <= {service.name for service in declared}


def test_the_names_in_consul_are_unique_and_none_is_the_edge() -> None:
    names = consul_names(services(settings()))
    assert names == ["backserve", "backserve-health", "frontserve", "prober"]
    assert EDGE_NODE not in names


def test_the_defaults_suit_a_small_web_service() -> None:
    service = Service(name="web", source="web")
    assert (service.count, service.resources.cpu, service.resources.memory) == (1, 500, 100)
    assert (service.check.path, service.check.interval) == ("/health", "2s")
    assert (service.consul_names, service.has_clients) == (("web",), False)
