"""What went wrong, in as few words as tell the cause."""

import re
from dataclasses import dataclass

from pulumi.automation import CommandError
from pulumi.automation.events import DiagnosticEvent

_COLOUR_TAG = re.compile(r"<\{%[^%]*%\}>")
_LAST_OF_TRACE = re.compile(
    r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Warning|Interrupt))(?:: |$)", re.MULTILINE
)
_HEADLINES = re.compile(
    r"^(error: )?((update|preview|refresh|destroy) (failed|cancell?ed)|resource .* has \d+ errors?.*|an unhandled error occurred.*"
    r"|Program failed with an unhandled exception:|python inline source runtime error.*|one or more errors occurred)$"
)
_LOCKED = "the stack is currently locked by"
_NO_BACKEND = "PULUMI_ACCESS_TOKEN must be set"


@dataclass(frozen=True)
class Failure:
    """One cause. ``resource`` and ``type`` are empty when no single resource is to blame."""

    resource: str
    type: str
    message: str

    def lines(self) -> str:
        """For people: the resource and, beneath it, its cause."""
        indented = self.message.replace("\n", "\n    ")
        return (
            f"  {self.type} {self.resource}\n    {indented}" if self.resource else f"  {indented}"
        )


def name_of(urn: str) -> str:
    """``urn:pulumi:dev::slipway::...:Droplet::worker01nyc3`` -> ``worker01nyc3``."""
    return urn.rpartition("::")[2]


def kind_of(urn: str) -> str:
    """``...::digitalocean:index/droplet:Droplet::worker01nyc3`` -> ``Droplet``."""
    return urn.rpartition("::")[0].rpartition(":")[2]


def plain(text: str) -> str:
    """Text of the engine without its colour tags."""
    return _COLOUR_TAG.sub("", text).rstrip()


def cause(message: str) -> str:
    """The part of an error's text that says why: no stack trace, no headline that only repeats that it failed."""
    trace = message.find("Traceback (most recent call last):")
    if trace >= 0 and (ends := list(_LAST_OF_TRACE.finditer(message, trace))):
        message = message[ends[-1].start() :]
    lines = [line.rstrip() for line in message.splitlines()]
    kept = [line for line in lines if line.strip() and not _HEADLINES.match(line.strip())]
    return (
        "\n".join(kept)
        .strip()
        .removeprefix("error: ")
        .removeprefix("Exception calling application: ")
    )


def pending(message: str) -> list[str]:
    """The resources of the engine's long warning that an earlier update was killed, as ``worker01nyc3, interrupted while creating``."""
    if not message.startswith("Attempting to deploy or update resources with"):
        return []
    return sorted(
        {
            name_of(line.strip())
            for line in message.splitlines()
            if line.strip().startswith("* urn:")
        }
    )


def wrong_settings(one: Failure) -> bool:
    """Whether it is the program's refusal of a stack's settings: nothing was touched."""
    return re.match(r"(SettingsError: )?Pulumi\.\S+\.yaml .*problem", one.message) is not None


def of_event(event: DiagnosticEvent) -> Failure | None:
    """The failure that a diagnostic tells, if it tells one."""
    if event.severity != "error":
        return None
    message = cause(plain(event.message))
    if not message:
        return None
    urn = event.urn or ""
    at_stack = not urn or kind_of(urn) == "Stack"
    return Failure("" if at_stack else name_of(urn), "" if at_stack else kind_of(urn), message)


def of_command(error: CommandError) -> Failure:
    """The failure of a CLI command that told no event: a lock, a backend that is away, a bad passphrase."""
    text = str(error)
    if _LOCKED in text:
        found = re.search(r"locked by \d+ lock\(s\).*?(created by [^\n]*)", text, re.DOTALL)
        who = f" ({found[1].strip()})" if found else ""
        return Failure(
            "",
            "",
            f"another update holds the stack's lock{who}: wait for it, or if it has died, run `pulumi cancel --yes`",
        )
    if _NO_BACKEND in text:
        return Failure(
            "",
            "",
            'no backend holds the state: set PULUMI_ACCESS_TOKEN or PULUMI_BACKEND_URL (a rehearsal\'s: eval "$(make -s env)")',
        )
    stderr = text.partition("stderr:")[2].strip()
    errors = [line.strip() for line in stderr.splitlines() if line.strip().startswith("error:")]
    return Failure("", "", cause("\n".join(errors) or stderr or text))
