"""Consul Connect for a service: its certificate, the trusted roots, and the intentions.

The service is Connect-native: it speaks mutual TLS itself, without a sidecar proxy. The node's
Consul agent issues the certificates and decides by the intentions.
"""

from services.connect.agent import Agent, AgentError, follow
from services.connect.mesh import Mesh

__all__ = ["Agent", "AgentError", "Mesh", "follow"]
