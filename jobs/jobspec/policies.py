"""Update, migrate, restart and reschedule blocks: how Nomad replaces and retries allocations."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.jobspec.block import Block
from jobs.jobspec.duration import Duration, PositiveDuration

MIN_RESTART_INTERVAL = timedelta(seconds=5)
MIN_RESCHEDULE_INTERVAL = timedelta(seconds=15)
MIN_RESCHEDULE_DELAY = timedelta(seconds=5)


class Update(Block):
    """How a new version of a job replaces the old one."""

    max_parallel: Annotated[int, Field(ge=1)]
    canary: Annotated[int, Field(ge=0)]
    auto_promote: bool
    auto_revert: bool
    health_check: Literal["checks", "task_states"]
    min_healthy_time: Duration
    healthy_deadline: PositiveDuration
    progress_deadline: Duration
    stagger: PositiveDuration

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.min_healthy_time >= self.healthy_deadline:
            raise ValueError("min_healthy_time must be shorter than healthy_deadline")
        if self.progress_deadline and self.healthy_deadline >= self.progress_deadline:
            raise ValueError("healthy_deadline must be shorter than progress_deadline")
        if self.auto_promote and not self.canary:
            raise ValueError("auto_promote needs a canary")
        return self


class Migrate(Block):
    """How allocations leave a node that is drained."""

    max_parallel: Annotated[int, Field(ge=1)]
    health_check: Literal["checks", "task_states"]
    min_healthy_time: Duration
    healthy_deadline: PositiveDuration

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.min_healthy_time >= self.healthy_deadline:
            raise ValueError("min_healthy_time must be shorter than healthy_deadline")
        return self


class Restart(Block):
    """How often Nomad restarts a failed task on the same node."""

    attempts: Annotated[int, Field(ge=0)]
    interval: Duration
    delay: Duration
    mode: Literal["fail", "delay"]

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.interval < MIN_RESTART_INTERVAL:
            raise ValueError("restart interval must be at least 5s")
        if self.attempts * self.delay > self.interval:
            raise ValueError(
                f"{self.attempts} restarts with a delay of {self.delay} "
                f"do not fit into an interval of {self.interval}"
            )
        if self.mode == "delay" and not self.attempts:
            raise ValueError("restart mode delay needs attempts")
        return self


class Reschedule(Block):
    """How often Nomad replaces a failed allocation on another node.

    The allocations of a lost node are always replaced.
    """

    attempts: Annotated[int, Field(ge=0)] = 0
    interval: Duration = timedelta()
    delay: Duration = timedelta(seconds=30)
    delay_function: Literal["constant", "exponential", "fibonacci"] = "constant"
    max_delay: Duration = timedelta()
    unlimited: bool

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if not self.attempts and not self.unlimited:
            return self
        if self.attempts and self.unlimited:
            raise ValueError("reschedule is unlimited or has attempts, not both")
        if self.delay < MIN_RESCHEDULE_DELAY:
            raise ValueError("reschedule delay must be at least 5s")
        if self.delay_function != "constant" and self.max_delay < self.delay:
            raise ValueError("reschedule max_delay must not be shorter than delay")
        min_interval = max(MIN_RESCHEDULE_INTERVAL, self.attempts * self.delay)
        if self.attempts and self.interval < min_interval:
            raise ValueError(
                f"{self.attempts} reschedules with a delay of {self.delay} "
                f"do not fit into an interval of {self.interval}"
            )
        return self
