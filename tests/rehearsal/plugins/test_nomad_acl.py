"""ACL resources of the Nomad emulator."""

from collections.abc import Iterator

import pytest

from rehearsal.plugins import values
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.acl_token import AclToken
from rehearsal.plugins.nomad.package import PACKAGE
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.acl_store import TIME, AclStore
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.plugins.support.service import Reply, Service

POLICY = "nomad:index/aclPolicy:AclPolicy"
ROLE = "nomad:index/aclRole:AclRole"
TOKEN = "nomad:index/aclToken:AclToken"

READ: State = {"name": "read", "rulesHcl": 'namespace "default" { policy = "read" }'}

KINDS: list[tuple[str, str, State, State]] = [
    (
        POLICY,
        "policy",
        {**READ, "jobAcl": {"jobId": "web", "group": "g"}},
        {**READ, "description": "changed"},
    ),
    (
        ROLE,
        "role",
        {"name": "role", "policies": [{"name": "read"}]},
        {"name": "renamed", "policies": [{"name": "read"}]},
    ),
    (
        TOKEN,
        "token",
        {"name": "t", "type": "client", "policies": ["read"]},
        {"name": "renamed", "type": "client", "policies": ["read"]},
    ),
]
FOR_EVERY_KIND = pytest.mark.parametrize(
    ("token", "kind", "news", "changed"), KINDS, ids=[kind for _, kind, _, _ in KINDS]
)


class Store(AclStore):
    """An ACL store with the values that Nomad sets."""

    def _put(self, path: str, body: State) -> State:
        filled = (
            {"Global": False, "ExpirationTime": None, "ExpirationTTL": ""}
            if path.startswith("token")
            else {}
        )
        return super()._put(path, {**filled, **body})


@pytest.fixture
def store() -> AclStore:
    return Store("not found")


@pytest.fixture
def service(store: AclStore) -> Iterator[Service]:
    with Service(store) as running:
        yield running


@pytest.fixture
def plugin(service: Service) -> Driver:
    return Driver(PACKAGE, {"address": service.url, "secretId": "the-management-token"})


@pytest.fixture
def policy(plugin: Driver) -> str:
    """Create the policy that other objects refer to and return its name."""
    return plugin.create(POLICY, READ)[0]


@FOR_EVERY_KIND
def test_lifecycle_create_update_refresh_delete(
    plugin: Driver, store: AclStore, policy: str, token: str, kind: str, news: State, changed: State
) -> None:
    resource_id, state = plugin.create(token, news)
    assert plugin.diff(token, state, news).keys == []
    assert plugin.read(token, resource_id, state, news)[:2] == (resource_id, state)

    assert plugin.diff(token, state, changed).replaces == []
    after = plugin.update(token, resource_id, state, changed)
    assert plugin.diff(token, after, changed).keys == []
    assert plugin.diff(token, after, news).keys != []
    assert plugin.read(token, resource_id)[1] == {
        key: value for key, value in after.items() if value is not None
    }

    store.forget(kind)
    assert plugin.read(token, resource_id, after, changed)[0] == ""
    with pytest.raises(PluginError, match="error deleting"):
        plugin.delete(token, resource_id, after)


@FOR_EVERY_KIND
def test_every_request_has_the_provider_token(
    plugin: Driver,
    service: Service,
    policy: str,
    token: str,
    kind: str,
    news: State,
    changed: State,
) -> None:
    resource_id, state = plugin.create(token, news)
    plugin.delete(token, resource_id, state)
    assert {call.headers["X-Nomad-Token"] for call in service.calls} == {"the-management-token"}


@FOR_EVERY_KIND
def test_a_preview_sends_no_request(
    plugin: Driver, service: Service, token: str, kind: str, news: State, changed: State
) -> None:
    key = "rulesHcl" if kind == "policy" else "policies"
    _, state = plugin.create(token, {**news, key: UNKNOWN}, preview=True)
    assert service.calls == []
    assert state[key] == UNKNOWN


def test_a_tokens_secret_is_a_secret_output(plugin: Driver, store: AclStore, policy: str) -> None:
    accessor, state = plugin.create(TOKEN, {"type": "client", "policies": ["read"]})
    assert (state["accessorId"], state["secretId"]) == (accessor, store.only("token")["SecretID"])
    marked = values.to_engine(state, AclToken.properties)
    assert [key for key, value in marked.items() if value.is_secret] == ["secretId"]
    assert plugin.create(TOKEN, {"type": "client"}, preview=True)[1]["secretId"] == UNKNOWN


def test_a_changed_token_keeps_its_secret(plugin: Driver, policy: str) -> None:
    accessor, state = plugin.create(TOKEN, {"type": "client", "policies": ["read"]})
    after = plugin.update(TOKEN, accessor, state, {"name": state["name"], "type": "client"})
    assert (after["secretId"], after["policies"]) == (state["secretId"], [])


def test_times_are_written_as_the_official_plugin_does(plugin: Driver, store: AclStore) -> None:
    accessor, state = plugin.create(TOKEN, {"type": "client"})
    assert (state["createTime"], state["expirationTime"]) == (
        "2031-05-17 09:30:15.25 +0000 UTC",
        "",
    )
    store.only("token").update(ExpirationTime=TIME)
    assert plugin.read(TOKEN, accessor)[1]["expirationTime"] == "2031-05-17T09:30:15Z"


def test_a_lifetime_is_compared_as_text_and_replaces(plugin: Driver) -> None:
    short, long = (
        {"type": "client", "expirationTtl": "1h"},
        {"type": "client", "expirationTtl": "1h0m0s"},
    )
    _, state = plugin.create(TOKEN, short)
    assert state["expirationTtl"] == "1h0m0s"
    assert plugin.diff(TOKEN, state, {**long, "name": state["name"]}).keys == []
    assert plugin.diff(TOKEN, state, {**short, "name": state["name"]}).replaces == ["expirationTtl"]
    assert (
        "invalid duration" in plugin.check(TOKEN, {"type": "client", "expirationTtl": "soon"})[1][0]
    )


def test_a_token_of_a_role(plugin: Driver, policy: str) -> None:
    role, _ = plugin.create(ROLE, {"name": "role", "policies": [{"name": "read"}]})
    news = {"name": "t", "type": "client", "roles": [{"id": role}]}
    _, state = plugin.create(TOKEN, news)
    assert state["roles"] == [{"id": role, "name": "role"}]
    assert plugin.diff(TOKEN, state, news).keys == []


def test_a_job_policy_defaults_to_the_default_namespace(plugin: Driver, store: AclStore) -> None:
    plugin.create(POLICY, {**READ, "jobAcl": {"jobId": "web"}})
    assert store.only("policy")["JobACL"] == {
        "Namespace": "default",
        "JobID": "web",
        "Group": "",
        "Task": "",
    }


def test_renaming_a_policy_replaces_it_and_deletes_the_old_one_first(
    plugin: Driver, policy: str
) -> None:
    _, state, _ = plugin.read(POLICY, policy)
    diff = plugin.diff(POLICY, state, {**READ, "name": "other"})
    assert (diff.replaces, diff.delete_first) == (["name"], True)


@pytest.mark.parametrize("token", [POLICY, ROLE, TOKEN])
def test_permission_denied_is_an_error(token: str) -> None:
    with Service(lambda call: Reply(403, "Permission denied")) as denying_service:
        plugin = Driver(PACKAGE, {"address": denying_service.url})
        with pytest.raises(PluginError, match='403 "Permission denied'):
            plugin.read(token, "x", {"name": "x"}, {"name": "x"})
