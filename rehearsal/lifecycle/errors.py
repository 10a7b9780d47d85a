"""Errors of the commands for clouds."""


class LifecycleError(Exception):
    """A cloud cannot be started, reset or removed; the message has the reason and the remedy."""

    exit_code = 1


class UsageError(LifecycleError):
    """An argument is wrong: a cloud that does not exist, or a value that cannot be used."""

    exit_code = 2
