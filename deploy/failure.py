"""Failures of an operation: which resource failed, and the cause without the noise around it."""

import re
from dataclasses import dataclass

from pulumi.automation import CommandError
from pulumi.automation.events import DiagnosticEvent

_COLOUR_TAG = re.compile(r"<\{%[^%]*%\}>")
_EXCEPTION_LINE = re.compile(
    r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Warning|Interrupt))(?:: |$)", re.MULTILINE
)
_HEADLINE = re.compile(
    r"^(error: )?("
    r"(update|preview|refresh|destroy) (failed|cancell?ed)"
    r"|resource .* has \d+ errors?.*"
    r"|an unhandled error occurred.*"
    r"|Program failed with an unhandled exception:"
    r"|python inline source runtime error.*"
    r"|one or more errors occurred"
    r")$"
)
"""Lines that only say that something failed."""
_LOCKED = "the stack is currently locked by"
_NO_BACKEND = "PULUMI_ACCESS_TOKEN must be set"
_DAMAGED_ATTRIBUTES = re.compile(r"failed to load checkpoint: (unexpected )?EOF")
"""A backend in a directory writes the file ``.attrs`` beside the state, but not atomically."""


@dataclass(frozen=True)
class Failure:
    """One cause. ``resource`` and ``type`` are empty if it belongs to no single resource."""

    resource: str
    type: str
    message: str

    def as_text(self) -> str:
        """Return the failure for people: the resource, and the cause beneath it."""
        indented = self.message.replace("\n", "\n    ")
        return (
            f"  {self.type} {self.resource}\n    {indented}" if self.resource else f"  {indented}"
        )

    @property
    def is_wrong_settings(self) -> bool:
        """Whether the program refused the stack's settings before it changed anything."""
        return re.match(r"(SettingsError: )?Pulumi\.\S+\.yaml .*problem", self.message) is not None


def name_of(urn: str) -> str:
    """``urn:pulumi:dev::slipway::...:Droplet::worker01`` -> ``worker01``."""
    return urn.rpartition("::")[2]


def kind_of(urn: str) -> str:
    """``...::digitalocean:index/droplet:Droplet::worker01`` -> ``Droplet``."""
    return urn.rpartition("::")[0].rpartition(":")[2]


def plain(text: str) -> str:
    """Return text of the engine without its colour tags."""
    return _COLOUR_TAG.sub("", text).rstrip()


def cause(message: str) -> str:
    """Return the part of an error that says why: no stack trace, no headline."""
    trace = message.find("Traceback (most recent call last):")
    if trace >= 0 and (exceptions := list(_EXCEPTION_LINE.finditer(message, trace))):
        message = message[exceptions[-1].start() :]
    lines = [line.rstrip() for line in message.splitlines()]
    kept = [line for line in lines if line.strip() and not _HEADLINE.match(line.strip())]
    return (
        "\n".join(kept)
        .strip()
        .removeprefix("error: ")
        .removeprefix("Exception: ")
        .removeprefix("Exception calling application: ")
    )


def pending_operations(message: str) -> list[str]:
    """Return the operations that the engine's warning about a killed update names.

    Each is ``worker01, interrupted while creating``.
    """
    if not message.startswith("Attempting to deploy or update resources with"):
        return []
    lines = (line.strip() for line in message.splitlines())
    return sorted({name_of(line) for line in lines if line.startswith("* urn:")})


def of_event(event: DiagnosticEvent) -> Failure | None:
    """Return the failure in a diagnostic event, or None if it is not an error."""
    if event.severity != "error":
        return None
    message = cause(plain(event.message))
    if not message:
        return None
    urn = event.urn or ""
    if not urn or kind_of(urn) == "Stack":
        return Failure("", "", message)
    return Failure(name_of(urn), kind_of(urn), message)


def of_command(error: CommandError, stack: str) -> Failure:
    """Return the failure of a CLI command that sent no event, such as a lock."""
    text = str(error)
    if _LOCKED in text:
        match = re.search(r"locked by \d+ lock\(s\).*?(created by [^\n]*)", text, re.DOTALL)
        holder = f" ({match[1].strip()})" if match else ""
        return Failure(
            "",
            "",
            f"another update holds the stack's lock{holder}: wait for it; "
            f"if it no longer runs, run `pulumi cancel --yes --stack {stack}`",
        )
    if _NO_BACKEND in text:
        return Failure(
            "",
            "",
            "there is no backend for the state: set PULUMI_ACCESS_TOKEN or PULUMI_BACKEND_URL "
            '(for a rehearsal: eval "$(make -s env)")',
        )
    if _DAMAGED_ATTRIBUTES.search(text):
        return Failure(
            "",
            "",
            f"a killed update damaged {stack}.json.attrs in the directory of PULUMI_BACKEND_URL: "
            "delete that file, and append `?metadata=skip` to the URL so that none is written",
        )
    stderr = text.partition("stderr:")[2].strip()
    errors = [line.strip() for line in stderr.splitlines() if line.strip().startswith("error:")]
    return Failure("", "", cause("\n".join(errors) or stderr or text))
