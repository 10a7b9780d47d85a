"""The API, killed a hundred times under load, loses nothing that it has acknowledged."""

import random
import threading
from pathlib import Path

import pytest
import requests

from tests.rehearsal.support.served import (
    ApiClient,
    create_config,
    inconsistencies,
    serving,
    wait_until_idle,
)
from tests.rehearsal.support.writer import Writer

KILLS = 100
WRITERS = 4
SEED = 5
MAX_RESPONSES_PER_START = 40

LISTS = {
    "droplets": "id",
    "tags": "name",
    "vpcs": "id",
    "account/keys": "id",
    "domains": "name",
    "projects": "id",
    "reserved_ips": "ip",
    "firewalls": "id",
}


class ResponseCounter:
    """Sets ``reached`` after a number of acknowledged requests."""

    def __init__(self, responses: int) -> None:
        self._left = responses
        self._lock = threading.Lock()
        self.reached = threading.Event()

    def count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self.reached.set()


def _write(
    writer: Writer, api: ApiClient, counter: ResponseCounter, errors: list[BaseException]
) -> None:
    """Send requests until the API is killed."""
    try:
        while True:
            before = writer.ledger.acknowledged
            writer.step(api)
            if writer.ledger.acknowledged > before:
                counter.count()
    except requests.exceptions.RequestException:
        pass
    except BaseException as error:
        errors.append(error)
        counter.reached.set()


def test_nothing_acknowledged_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    config, rng = create_config(tmp_path), random.Random(SEED)
    writers = [Writer(f"w{number}", SEED + number) for number in range(WRITERS)]
    for _ in range(KILLS):
        counter, errors = (
            ResponseCounter(rng.randint(1, MAX_RESPONSES_PER_START)),
            list[BaseException](),
        )
        with serving(config) as process:
            clients = [ApiClient(config) for _ in writers]
            threads = [
                threading.Thread(target=_write, args=(writer, api, counter, errors))
                for writer, api in zip(writers, clients, strict=True)
            ]
            for thread in threads:
                thread.start()
            counter.reached.wait()
            process.kill()
            for thread in threads:
                thread.join()
        assert errors == []
    with serving(config), ApiClient(config) as api:
        droplets = wait_until_idle(api)
        listed = {
            kind: {item[id]: item for item in api.all(kind.rpartition("/")[2], f"/v2/{kind}")}
            for kind, id in LISTS.items()
            if kind != "account/keys"
        }
        listed["account/keys"] = {
            item["id"]: item for item in api.all("ssh_keys", "/v2/account/keys")
        }
        assert [problem for writer in writers for problem in writer.differences(listed)] == []
        assert inconsistencies(api, droplets) == []
    assert sum(writer.ledger.acknowledged for writer in writers) >= KILLS
