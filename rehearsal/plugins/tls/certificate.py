"""Base class of certificate resources: uses, validity and renewal."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    output,
)
from rehearsal.plugins.resource import Change
from rehearsal.plugins.tls.key_usages import check_allowed_uses
from rehearsal.plugins.tls.subject_properties import check_private_key
from rehearsal.plugins.values import UNKNOWN

CurrentTime = Callable[[], datetime]
"""Client of the package: returns the current time in UTC."""

MINIMUMS = {"earlyRenewalHours": 0, "maxPathLength": -1, "validityPeriodHours": 0}

CERTIFICATE_PROPERTIES: Properties = {
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


class Certificate(LocalResource[CurrentTime]):
    """A certificate that an update replaces once its early renewal time has come.

    The update needs no refresh for this.
    """

    signs_with: ClassVar[str]
    """Name of the property with the signing key."""

    def check(self, inputs: State) -> list[Failure]:
        too_small = [
            Failure(key, f"value must be at least {minimum}, got: {inputs[key]}")
            for key, minimum in MINIMUMS.items()
            if inputs.get(key, UNKNOWN) != UNKNOWN and inputs[key] < minimum
        ]
        return [
            *check_private_key(inputs, self.signs_with),
            *check_allowed_uses(inputs),
            *too_small,
        ]

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        if not old:
            return differences
        is_due = self._is_due(old, new["earlyRenewalHours"])
        if is_due or old.get("readyForRenewal"):
            return [*differences, Difference("readyForRenewal", replaces=is_due)]
        return differences

    def read(self, resource_id: str, state: State) -> State | None:
        properties = super().read(resource_id, state)
        if self._is_due(state, state["earlyRenewalHours"]):
            return {"readyForRenewal": True}
        return properties

    def update(self, change: Change) -> None:
        """Update the renewal time in the state; the certificate does not change."""
        change.outputs["readyForRenewal"] = False

    def _is_due(self, state: State, early_renewal_hours: int | str) -> bool:
        if isinstance(early_renewal_hours, str) or not state.get("validityEndTime"):
            return False
        end = datetime.fromisoformat(state["validityEndTime"])
        return end - timedelta(hours=early_renewal_hours) <= self.client()
