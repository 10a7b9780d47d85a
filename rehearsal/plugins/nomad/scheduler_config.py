"""The scheduler configuration of a cluster."""

from typing import ClassVar

from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, map_of
from rehearsal.plugins.resource import Change, Resource

PATH = "/v1/operator/scheduler/configuration"
PREEMPTION_FIELDS = {
    "batch_scheduler_enabled": "BatchSchedulerEnabled",
    "service_scheduler_enabled": "ServiceSchedulerEnabled",
    "sysbatch_scheduler_enabled": "SysBatchSchedulerEnabled",
    "system_scheduler_enabled": "SystemSchedulerEnabled",
}


class SchedulerConfig(Resource[Nomad]):
    """The scheduler configuration. Deleting the resource does not change it."""

    token = "nomad:index/schedulerConfig:SchedulerConfig"
    properties: ClassVar[Properties] = {
        "memoryOversubscriptionEnabled": Property(BOOLEAN, default=False),
        "preemptionConfig": Property(map_of(BOOLEAN)),
        "schedulerAlgorithm": Property(STRING, default="binpack"),
    }

    def create(self, change: Change) -> None:
        self._put(change.new)
        change.id = "nomad-scheduler-config"

    def read(self, resource_id: str, state: State) -> State | None:
        config = self.client.call("GET", PATH)["SchedulerConfig"]
        return {
            "memoryOversubscriptionEnabled": config["MemoryOversubscriptionEnabled"],
            "schedulerAlgorithm": config["SchedulerAlgorithm"],
            "preemptionConfig": {
                key: config["PreemptionConfig"][field] for key, field in PREEMPTION_FIELDS.items()
            },
        }

    def update(self, change: Change) -> None:
        self._put(change.new)

    def delete(self, change: Change) -> None:
        """Do nothing: every cluster has a scheduler configuration."""

    def _put(self, new: State) -> None:
        preemption = new.get("preemptionConfig") or {}
        body = {
            "SchedulerAlgorithm": new["schedulerAlgorithm"],
            "MemoryOversubscriptionEnabled": new["memoryOversubscriptionEnabled"],
            "PreemptionConfig": {
                field: preemption.get(key, False) for key, field in PREEMPTION_FIELDS.items()
            },
        }
        self.client.call("PUT", PATH, body)
