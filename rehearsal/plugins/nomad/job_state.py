"""Output properties of a job."""

from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.durations import format_duration
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    State,
    list_of,
    map_of,
    object_of,
    output,
)

UPDATE_FIELDS = {
    "autoRevert": "AutoRevert",
    "canary": "Canary",
    "healthCheck": "HealthCheck",
    "healthyDeadline": "HealthyDeadline",
    "maxParallel": "MaxParallel",
    "minHealthyTime": "MinHealthyTime",
    "stagger": "Stagger",
}
DURATION_KEYS = frozenset({"healthyDeadline", "minHealthyTime", "stagger"})

_UPDATES = output(
    list_of(
        object_of(
            {
                "autoRevert": output(BOOLEAN),
                "canary": output(INTEGER),
                "healthCheck": output(STRING),
                "healthyDeadline": output(STRING),
                "maxParallel": output(INTEGER),
                "minHealthyTime": output(STRING),
                "stagger": output(STRING),
            }
        )
    )
)
_MOUNT = {"destination": output(STRING), "readOnly": output(BOOLEAN), "volume": output(STRING)}
_TASK = {
    "driver": output(STRING),
    "meta": output(map_of(STRING)),
    "name": output(STRING),
    "volumeMounts": output(list_of(object_of(_MOUNT))),
}
_VOLUME = {
    "name": output(STRING),
    "readOnly": output(BOOLEAN),
    "source": output(STRING),
    "type": output(STRING),
}
_GROUP = {
    "count": output(INTEGER),
    "meta": output(map_of(STRING)),
    "name": output(STRING),
    "tasks": output(list_of(object_of(_TASK))),
    "updateStrategies": _UPDATES,
    "volumes": output(list_of(object_of(_VOLUME))),
}
_PERIODIC = {
    "enabled": output(BOOLEAN),
    "prohibitOverlap": output(BOOLEAN),
    "spec": output(STRING),
    "specType": output(STRING),
    "timezone": output(STRING),
}

OUTPUTS: Properties = {
    "allAtOnce": output(BOOLEAN),
    "constraints": output(
        list_of(
            object_of(
                {"ltarget": output(STRING), "operand": output(STRING), "rtarget": output(STRING)}
            )
        )
    ),
    "createIndex": output(INTEGER),
    "datacenters": output(list_of(STRING)),
    "modifyIndex": output(STRING),
    "name": output(STRING),
    "namespace": output(STRING),
    "parentId": output(STRING),
    "periodicConfigs": output(list_of(object_of(_PERIODIC))),
    "priority": output(INTEGER),
    "region": output(STRING),
    "stable": output(BOOLEAN),
    "status": output(STRING),
    "statusDescription": output(STRING),
    "stop": output(BOOLEAN),
    "submitTime": output(STRING),
    "taskGroups": output(list_of(object_of(_GROUP))),
    "type": output(STRING),
    "updateStrategies": _UPDATES,
    "version": output(INTEGER),
}


def job_properties(job: Mapping[str, Any]) -> State:
    """Convert a job of Nomad's API to the properties in ``OUTPUTS``."""
    return {
        "allAtOnce": job["AllAtOnce"],
        "constraints": [
            {"ltarget": item["LTarget"], "operand": item["Operand"], "rtarget": item["RTarget"]}
            for item in job["Constraints"] or []
        ],
        "createIndex": job["CreateIndex"],
        "datacenters": job["Datacenters"],
        "modifyIndex": str(job["JobModifyIndex"]),
        "name": job["ID"],
        "namespace": job["Namespace"],
        "parentId": job["ParentID"],
        "periodicConfigs": _periodic(job["Periodic"]),
        "priority": job["Priority"],
        "region": job["Region"],
        "stable": job["Stable"],
        "status": job["Status"],
        "statusDescription": job["StatusDescription"],
        "stop": job["Stop"],
        "submitTime": str(job["SubmitTime"]),
        "taskGroups": [_group(group) for group in job["TaskGroups"] or []],
        "type": job["Type"],
        "updateStrategies": _updates(job["Update"]),
        "version": job["Version"],
    }


def _updates(update: Mapping[str, Any] | None) -> list[State]:
    if not update:
        return []
    return [
        {
            key: format_duration(update[field]) if key in DURATION_KEYS else update[field]
            for key, field in UPDATE_FIELDS.items()
        }
    ]


def _periodic(periodic: Mapping[str, Any] | None) -> list[State]:
    fields = {
        "enabled": "Enabled",
        "prohibitOverlap": "ProhibitOverlap",
        "spec": "Spec",
        "specType": "SpecType",
        "timezone": "TimeZone",
    }
    return [{key: periodic.get(field) for key, field in fields.items()}] if periodic else []


def _group(group: Mapping[str, Any]) -> State:
    volumes = [
        {
            "name": item["Name"],
            "readOnly": item["ReadOnly"],
            "source": item["Source"],
            "type": item["Type"],
        }
        for item in (group["Volumes"] or {}).values()
    ]
    return {
        "count": group["Count"],
        "meta": group["Meta"] or {},
        "name": group["Name"],
        "tasks": [_task(task) for task in group["Tasks"] or []],
        "updateStrategies": _updates(group["Update"]),
        "volumes": sorted(volumes, key=lambda item: item["name"]) or None,
    }


def _task(task: Mapping[str, Any]) -> State:
    mounts = [
        {"destination": item["Destination"], "readOnly": item["ReadOnly"], "volume": item["Volume"]}
        for item in task["VolumeMounts"] or []
    ]
    return {
        "driver": task["Driver"],
        "meta": task["Meta"] or {},
        "name": task["Name"],
        "volumeMounts": mounts or None,
    }
