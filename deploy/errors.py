"""Errors that end a command. Their messages are for users."""


class DeployError(Exception):
    """The command failed."""


class UsageError(DeployError):
    """The arguments or settings are wrong; the command changed nothing."""


class NoSuchStackError(UsageError):
    """The stack does not exist in the backend."""


class StackFormatError(UsageError):
    """Another version of the program created the stack."""
