"""Resources and functions of the Nomad provider emulator."""

from rehearsal.plugins.nomad.acl_policy import AclPolicy
from rehearsal.plugins.nomad.acl_role import AclRole
from rehearsal.plugins.nomad.acl_token import AclToken
from rehearsal.plugins.nomad.api import CONFIG, connect
from rehearsal.plugins.nomad.job import Job
from rehearsal.plugins.nomad.namespace import Namespace
from rehearsal.plugins.nomad.scheduler_config import SchedulerConfig
from rehearsal.plugins.nomad.variable import Variable
from rehearsal.plugins.resource import Package

PACKAGE = Package(
    "nomad",
    CONFIG,
    connect,
    (AclPolicy, AclRole, AclToken, Job, Namespace, SchedulerConfig, Variable),
)
