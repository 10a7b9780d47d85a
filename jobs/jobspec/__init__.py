"""A typed Nomad job specification.

The classes have the names of a job file's blocks; ``Job.render`` gives the JSON of Nomad's API.
A value that Nomad would refuse raises ``ValidationError`` before Pulumi creates any resource.
Only the settings in use are modelled.
"""

from jobs.jobspec.block import Block
from jobs.jobspec.job import EphemeralDisk, Job, Network, Port, Spread, TaskGroup
from jobs.jobspec.policies import Migrate, Reschedule, Restart, Update
from jobs.jobspec.service import Check, CheckRestart, Connect, Service
from jobs.jobspec.task import Artifact, Consul, Driver, Resources, Task

__all__ = [
    "Artifact",
    "Block",
    "Check",
    "CheckRestart",
    "Connect",
    "Consul",
    "Driver",
    "EphemeralDisk",
    "Job",
    "Migrate",
    "Network",
    "Port",
    "Reschedule",
    "Resources",
    "Restart",
    "Service",
    "Spread",
    "Task",
    "TaskGroup",
    "Update",
]
