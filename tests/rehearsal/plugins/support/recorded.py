"""Recorded calls and states of the official plugins, and a service that replays them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.plugins.support.service import Call, Reply

REFERENCE = Path(__file__).parents[5] / "shared/reference"
DATACENTER = {"Config": {"Datacenter": "dc1"}}
ZERO_TIME = "0001-01-01T00:00:00Z"
MEANINGFUL_IF_EMPTY = ("Expose", "MeshGateway", "SkipNodeUpdate")
"""Request fields that are significant even if they are empty."""


@dataclass(frozen=True)
class Recorded:
    method: str
    path: str
    body: Any
    status: int
    response: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def load_steps(package: str) -> dict[str, list[Recorded]]:
    """Return the calls of each recorded step."""
    file = _file(f"official-{package}-plugin-calls.jsonl")
    found: dict[str, list[Recorded]] = {}
    for line in file.read_text().splitlines():
        record = json.loads(line)
        if "step" in record:
            found[record["step"]] = current = []
        else:
            current.append(
                Recorded(
                    record["method"],
                    record["path"],
                    record["body"],
                    record["status"],
                    record["response"],
                )
            )
    return found


def load_state(resource_type: str, part: str = "first program, step 1") -> dict[str, Any]:
    """Return inputs, outputs and id in the engine's format."""
    states = json.loads(_file("official-plugin-states.json").read_text())
    found: dict[str, Any] = next(item for item in states[part] if item["type"] == resource_type)
    return found


class Replay:
    """Replays the recorded responses of each path in order and repeats the last one."""

    def __init__(self, calls: list[Recorded]) -> None:
        self._answers: dict[str, list[Recorded]] = {}
        for call in calls:
            self._answers.setdefault(str(call), []).append(call)

    def __call__(self, call: Call) -> Reply:
        if call.path == "/v1/agent/self":
            return Reply(body=DATACENTER)
        found = self._answers.get(str(call))
        if not found:
            return Reply(404, "not recorded")
        answer = found.pop(0) if len(found) > 1 else found[0]
        return Reply(answer.status, answer.response)


def calls_about(calls: list[Recorded], *words: str) -> list[str]:
    """Return the recorded calls that concern one resource, without repeated polls."""
    return list(
        without_repetitions(str(call) for call in calls if any(word in call.path for word in words))
    )


def without_repetitions(calls: Iterator[str]) -> Iterator[str]:
    """Yield the calls without immediate repetitions, which are polls."""
    last = ""
    for call in calls:
        if call != last:
            yield call
        last = call


def program_inputs(value: Any) -> Any:
    """Return the inputs of the program, without keys of the engine and without defaults."""
    if isinstance(value, dict):
        filled = value.get("__defaults", [])
        return {
            key: program_inputs(item)
            for key, item in value.items()
            if key != "__defaults" and key not in filled
        }
    return [program_inputs(item) for item in value] if isinstance(value, list) else value


def without_zero_values(value: Any) -> Any:
    """Return a request without zero values, which the official clients send explicitly."""
    if isinstance(value, dict):
        items = {key: without_zero_values(item) for key, item in value.items()}
        return {
            key: item
            for key, item in items.items()
            if (item and item != ZERO_TIME) or key in MEANINGFUL_IF_EMPTY
        }
    return [without_zero_values(item) for item in value] if isinstance(value, list) else value


def _file(name: str) -> Path:
    if not (REFERENCE / name).is_file():
        pytest.skip("the recordings are not here")
    return REFERENCE / name
