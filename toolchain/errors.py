"""The error of the toolchain."""


class ToolError(Exception):
    """A tool cannot be installed. The message names the tool, the cause and the remedy."""
