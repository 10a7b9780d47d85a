"""Killed a hundred times under load, the API loses nothing that it acknowledged."""

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

MOMENTS = 100
WRITERS = 4
SEED = 5
MOST_ANSWERS = 40
"""Between a start and the kill."""

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


class Moment:
    """Comes when so many requests have been acknowledged, however quickly they are."""

    def __init__(self, answers: int) -> None:
        self._left = answers
        self._lock = threading.Lock()
        self.came = threading.Event()

    def count(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self.came.set()


def _write(writer: Writer, api: ApiClient, moment: Moment, wrong: list[BaseException]) -> None:
    """Until the API is killed."""
    try:
        while True:
            before = writer.ledger.acknowledged
            writer.step(api)
            if writer.ledger.acknowledged > before:
                moment.count()
    except requests.exceptions.RequestException:
        pass
    except BaseException as error:
        wrong.append(error)
        moment.came.set()


def test_nothing_acknowledged_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    config, chance = create_config(tmp_path), random.Random(SEED)
    writers = [Writer(f"w{number}", SEED + number) for number in range(WRITERS)]
    for _ in range(MOMENTS):
        moment, wrong = Moment(chance.randint(1, MOST_ANSWERS)), list[BaseException]()
        with serving(config) as process:
            clients = [ApiClient(config) for _ in writers]
            threads = [
                threading.Thread(target=_write, args=(writer, api, moment, wrong))
                for writer, api in zip(writers, clients, strict=True)
            ]
            for thread in threads:
                thread.start()
            moment.came.wait()
            process.kill()
            for thread in threads:
                thread.join()
        assert wrong == []
    with serving(config), ApiClient(config) as api:
        droplets = wait_until_idle(api)
        listed = {
            kind: {one[id]: one for one in api.all(kind.rpartition("/")[2], f"/v2/{kind}")}
            for kind, id in LISTS.items()
            if kind != "account/keys"
        }
        listed["account/keys"] = {one["id"]: one for one in api.all("ssh_keys", "/v2/account/keys")}
        assert [problem for writer in writers for problem in writer.lost(listed)] == []
        assert inconsistencies(api, droplets) == []
    assert sum(writer.ledger.acknowledged for writer in writers) >= MOMENTS
