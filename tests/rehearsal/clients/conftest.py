"""A cloud of memory machines for clients, the one that the API's own tests use."""

from tests.rehearsal.api.conftest import api, config, machines

__all__ = ["api", "config", "machines"]
