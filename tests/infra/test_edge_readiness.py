"""The edge that answers: an update deletes nothing before requests to its URL are answered."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.cluster import edge_readiness
from infra.cluster.edge_readiness import EdgeReadiness, EdgeReadinessProvider, NoAnswerError
from tests.infra.support.answering import answering
from tests.infra.support.cloud import run, start


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses of the next responses; the last one is repeated."""
    monkeypatch.setattr(edge_readiness, "POLL_INTERVAL_S", 0.01)
    return [200]


@pytest.fixture
def url(statuses: list[int]) -> Iterator[str]:
    def answer(_target: str, _token: str) -> tuple[int, dict[str, Any]]:
        return statuses.pop(0) if len(statuses) > 1 else statuses[0], {}

    with answering(answer) as address:
        yield f"http://{address}/"


def props(url: str, timeout: float = 5) -> dict[str, Any]:
    return {"url": url, "services": {"frontserve": "frontserve"}, "timeout": timeout}


@pytest.mark.parametrize("earlier", [None, "http://198.51.100.7/"])
def test_update_waits_until_the_url_has_answered_several_times(
    url: str, statuses: list[int], earlier: str | None
) -> None:
    statuses[:] = [503, 200, 503, 200, 200, 200, 418]
    if earlier:
        EdgeReadinessProvider().update("edge", props(earlier), props(url))
    else:
        EdgeReadinessProvider().create(props(url))
    assert statuses == [418]


def test_url_that_does_not_answer_fails_the_update(url: str, statuses: list[int]) -> None:
    statuses[:] = [503]
    with pytest.raises(NoAnswerError, match=r"does not answer after 0 s \(status 503\)"):
        EdgeReadinessProvider().create(props(url, timeout=0))
    with pytest.raises(NoAnswerError, match=r"\(ConnectionError\)"):
        EdgeReadinessProvider().create(props("http://127.0.0.1:9/", timeout=0))


def test_only_another_url_causes_another_wait() -> None:
    olds = props("http://198.51.100.7/")
    provider = EdgeReadinessProvider()
    assert not provider.diff("edge", olds, {**olds, "timeout": 9, "services": {}}).changes
    assert provider.diff("edge", olds, props("http://198.51.100.8/")).changes


def test_edge_waits_for_the_services() -> None:
    cloud = start()
    run(
        lambda: EdgeReadiness(
            "answers", url="http://198.51.100.7/", services={"frontserve": "job"}, timeout=5
        )
    )
    assert cloud.created["answers"]["services"] == {"frontserve": "job"}
