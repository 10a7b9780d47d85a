"""The version of what a stack's state contains.

Pulumi keeps each dynamic provider in the state by the path of its module. A program whose modules
have other paths cannot load a provider of an older state, not even to delete its resources. So
``python -m deploy`` compares the stack's output ``format`` with ``STATE_FORMAT`` first.
"""

STATE_FORMAT = 2
"""Increase it when a dynamic provider's module, class or inputs change incompatibly."""
