"""What both kinds of certificate share: their uses, their time and their renewal."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, list_of, output
from rehearsal.plugins.tls.subject_properties import missing_key
from rehearsal.plugins.tls.key_usages import unknown_uses
from rehearsal.plugins.values import UNKNOWN

Now = Callable[[], datetime]
"""The time, in UTC: all that there is to ask."""

LEAST = {"earlyRenewalHours": 0, "maxPathLength": -1, "validityPeriodHours": 0}

CERTIFICATE: Properties = {
    "allowedUses": Property(list_of(STRING), required=True, replaces=True),
    "earlyRenewalHours": Property(INTEGER, default=0),
    "isCaCertificate": Property(BOOLEAN, default=False, replaces=True),
    "maxPathLength": Property(INTEGER, default=-1, replaces=True),
    "setSubjectKeyId": Property(BOOLEAN, default=False, replaces=True),
    "validityPeriodHours": Property(INTEGER, required=True, replaces=True),
    "certPem": output(STRING),
    "readyForRenewal": output(BOOLEAN),
    "validityEndTime": output(STRING),
    "validityStartTime": output(STRING),
}


class Certificate(LocalResource[Now]):
    """A certificate that is replaced when its time, less its early renewal, is over: by a plain update, without a refresh."""

    signs_with: ClassVar[str]
    """The property with the key that signs."""

    def check(self, inputs: State) -> list[Failure]:
        small = [
            Failure(key, f"value must be at least {least}, got: {inputs[key]}")
            for key, least in LEAST.items()
            if inputs.get(key, UNKNOWN) != UNKNOWN and inputs[key] < least
        ]
        return [*missing_key(inputs, self.signs_with), *unknown_uses(inputs), *small]

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        if not old:
            return found
        if self._is_due(old, new["earlyRenewalHours"]):
            return [*found, Difference("readyForRenewal", replaces=True)]
        return [*found, Difference("readyForRenewal")] if old.get("readyForRenewal") else found

    def read(self, resource_id: str, state: State) -> State | None:
        found = super().read(resource_id, state)
        return (
            {"readyForRenewal": True} if self._is_due(state, state["earlyRenewalHours"]) else found
        )

    def update(self, change: Change) -> None:
        """Only the renewal moves; the certificate stays."""
        change.learned["readyForRenewal"] = False

    def _is_due(self, state: State, early: int | str) -> bool:
        if isinstance(early, str) or not state.get("validityEndTime"):
            return False
        return (
            datetime.fromisoformat(state["validityEndTime"]) - timedelta(hours=early)
            <= self.client()
        )
