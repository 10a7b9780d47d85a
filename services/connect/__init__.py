"""A service's place in Consul's mesh: its certificate, whom it trusts, and who may speak to it.

Connect-native: mutual TLS from program to program, without a proxy beside it. The agent of the node hands out the
certificates and knows the intentions.
"""

from services.connect.agent import Agent, AgentError
from services.connect.mesh import Mesh

__all__ = ["Agent", "AgentError", "Mesh"]
