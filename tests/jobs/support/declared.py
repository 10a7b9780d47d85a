"""The services of a stack for tests, and the jobs that run them."""

import json
from typing import Any

from infra.settings import Settings, load
from jobs.job_builder import JobDefaults, build_job
from jobs.jobspec import Artifact, Driver, Job
from jobs.services import Service, services

CHECKSUM = "sha256:" + "a" * 64
ARTIFACT = Artifact(
    source="http://spaces.test/backserve/abc.pyz",
    checksum=CHECKSUM,
    destination="local/backserve.pyz",
)
DEFAULTS = JobDefaults(datacenter="nyc3", driver="exec")


def settings(**changes: str) -> Settings:
    """Return valid settings with ``changes``."""
    return load("test", {"admin_cidrs": "203.0.113.0/24", **changes}, {})


def service(name: str, **changes: str) -> Service:
    """Return the declaration of one service, from settings with ``changes``."""
    return {declared.name: declared for declared in services(settings(**changes))}[name]


def job(name: str, driver: Driver = "exec") -> Job:
    """Return the job of one service."""
    return build_job(service(name), ARTIFACT, JobDefaults(datacenter="nyc3", driver=driver))


def group(job: Job) -> Any:
    """Return the task group of a job as Nomad's API takes it."""
    [rendered] = json.loads(job.render())["Job"]["TaskGroups"]
    return rendered
