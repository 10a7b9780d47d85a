"""ACL resources and functions of the Consul emulator."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import values
from rehearsal.plugins.consul.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.acl_store import AclStore
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.plugins.support.service import Reply, Service

POLICY = "consul:index/aclPolicy:AclPolicy"
ROLE = "consul:index/aclRole:AclRole"
TOKEN = "consul:index/aclToken:AclToken"
METHOD = "consul:index/aclAuthMethod:AclAuthMethod"
RULE = "consul:index/aclBindingRule:AclBindingRule"
GET_TOKEN = "consul:index/getAclToken:getAclToken"
GET_SECRET = "consul:index/getAclTokenSecretId:getAclTokenSecretId"

READ: State = {"name": "read", "rules": 'node_prefix "" { policy = "read" }'}
CONFIG = {"BoundAudiences": ["consul.io"], "JWKSURL": "http://127.0.0.1/jwks?a=1&b=<é>"}
CONFIG_TEXT = (
    '{"BoundAudiences":["consul.io"],"JWKSURL":"http://127.0.0.1/jwks?a=1\\u0026b=\\u003cé\\u003e"}'
)
IDENTITIES: State = {
    "nodeIdentities": [{"nodeName": "worker01", "datacenter": "dc1"}],
    "serviceIdentities": [
        {"serviceName": "web"},
        {"serviceName": "api", "datacenters": ["dc2", "dc1"]},
    ],
    "templatedPolicies": [
        {"templateName": "builtin/dns"},
        {"templateName": "builtin/service", "templateVariables": {"name": "web"}},
    ],
}

KINDS: list[tuple[str, str, State, State]] = [
    (POLICY, "policy", {**READ, "datacenters": ["dc1"]}, {**READ, "description": "changed"}),
    (
        ROLE,
        "role",
        {"name": "role", "policies": ["read"], **IDENTITIES},
        {"name": "role", "description": "changed"},
    ),
    (
        TOKEN,
        "token",
        {"policies": ["read"], "local": True, **IDENTITIES},
        {"policies": ["read"], "local": True, "description": "changed"},
    ),
    (
        METHOD,
        "auth-method",
        {"name": "jwt", "type": "jwt", "configJson": CONFIG_TEXT},
        {"name": "jwt", "type": "jwt", "maxTokenTtl": "5m"},
    ),
    (
        RULE,
        "binding-rule",
        {
            "authMethod": "jwt",
            "bindType": "templated-policy",
            "bindName": "builtin/service",
            "bindVars": {"name": "${value.name}"},
        },
        {"authMethod": "jwt", "bindType": "templated-policy", "bindName": "builtin/service"},
    ),
]
FOR_EVERY_KIND = pytest.mark.parametrize(
    ("token", "kind", "news", "changed"), KINDS, ids=[kind for _, kind, _, _ in KINDS]
)


class Store(AclStore):
    """An ACL store with the variable names that Consul returns."""

    def _put(self, path: str, body: State) -> State:
        holders = [
            (body, "BindVars"),
            *((policy, "TemplateVariables") for policy in body.get("TemplatedPolicies", [])),
        ]
        for holder, key in holders:
            if key in holder:
                holder[key] = {"name": holder[key]["Name"]}
        return super()._put(path, body)


@pytest.fixture
def store() -> AclStore:
    return Store("Requested object does not exist: ACL not found")


@pytest.fixture
def service(store: AclStore) -> Iterator[Service]:
    with Service(store) as running:
        yield running


@pytest.fixture
def plugin(service: Service) -> Driver:
    return Driver(PACKAGE, {"address": service.address, "datacenter": "dc1"})


@pytest.fixture
def policy(plugin: Driver) -> str:
    """Create the policy that other objects refer to and return its id."""
    return plugin.create(POLICY, READ)[0]


@FOR_EVERY_KIND
def test_lifecycle_create_update_refresh_delete(
    plugin: Driver, store: AclStore, policy: str, token: str, kind: str, news: State, changed: State
) -> None:
    if kind == "policy":
        plugin.delete(POLICY, policy, {})
    resource_id, state = plugin.create(token, news)
    assert plugin.diff(token, state, news).keys == []
    assert plugin.read(token, resource_id, state, news)[:2] == (resource_id, state)

    assert plugin.diff(token, state, changed).replaces == []
    after = plugin.update(token, resource_id, state, changed)
    assert plugin.diff(token, after, changed).keys == []
    assert plugin.diff(token, after, news).keys != []
    assert store.only(kind).get("ID", resource_id) == resource_id

    plugin.delete(token, resource_id, after)
    assert plugin.read(token, resource_id, after, changed)[0] == ""
    with pytest.raises(PluginError, match="failed to delete"):
        plugin.delete(token, resource_id, after)


@FOR_EVERY_KIND
def test_a_preview_sends_no_request(
    plugin: Driver, service: Service, token: str, kind: str, news: State, changed: State
) -> None:
    unknown = {
        key: UNKNOWN if key in ("policies", "bindName", "configJson", "rules") else value
        for key, value in news.items()
    }
    _, state = plugin.create(token, unknown, preview=True)
    assert service.calls == []
    assert [key for key, value in unknown.items() if value == UNKNOWN] == [
        key for key in unknown if state[key] == UNKNOWN
    ]


def test_only_policies_and_tokens_are_missing_by_consuls_message(plugin: Driver) -> None:
    with Service(lambda call: Reply(403, "ACL not found")) as denying_service:
        unauthorized = Driver(PACKAGE, {"address": denying_service.address, "datacenter": "dc1"})
        assert unauthorized.read(POLICY, "p", READ, READ)[0] == ""
        assert unauthorized.read(TOKEN, "t", {"local": True}, {"local": True})[0] == ""
        with pytest.raises(PluginError, match="403"):
            unauthorized.read(ROLE, "r", {"name": "role"}, {"name": "role"})


def test_any_other_refusal_is_an_error() -> None:
    with Service(
        lambda call: Reply(403, "Permission denied: token lacks permission 'acl:read'")
    ) as denying_service:
        plugin = Driver(PACKAGE, {"address": denying_service.address, "datacenter": "dc1"})
        with pytest.raises(PluginError, match="Permission denied"):
            plugin.read(TOKEN, "t", {"local": True}, {"local": True})


def test_a_role_keeps_policy_references_by_id_or_name(
    plugin: Driver, store: AclStore, service: Service, policy: str
) -> None:
    by_id, by_name = {"name": "role", "policies": [policy]}, {"name": "role", "policies": ["read"]}
    role, state = plugin.create(ROLE, by_id)
    assert (state["policies"], plugin.diff(ROLE, state, by_id).keys) == ([policy], [])
    assert plugin.diff(ROLE, state, by_name).keys == ["policies"]
    assert plugin.update(ROLE, role, state, by_name)["policies"] == ["read"]
    assert service.bodies("PUT", f"/v1/acl/role/{role}?dc=dc1")[0]["Policies"] == [{"Name": "read"}]
    assert plugin.read(ROLE, role)[1]["policies"] == [policy]


def test_a_role_with_an_unknown_policy_is_not_created(plugin: Driver, store: AclStore) -> None:
    with pytest.raises(PluginError, match='failed to find policy "nonesuch"'):
        plugin.create(ROLE, {"name": "role", "policies": ["nonesuch"]})
    assert store.objects == {}


def test_identities_are_sent_to_consul(plugin: Driver, store: AclStore, policy: str) -> None:
    plugin.create(TOKEN, IDENTITIES)
    objects = store.only("token")
    assert objects["NodeIdentities"] == [{"NodeName": "worker01", "Datacenter": "dc1"}]
    assert objects["ServiceIdentities"] == [
        {"ServiceName": "web"},
        {"ServiceName": "api", "Datacenters": ["dc2", "dc1"]},
    ]


def test_the_order_of_service_identities_matters_only_for_tokens(
    plugin: Driver,
) -> None:
    services = [{"serviceName": "web"}, {"serviceName": "api"}]
    _, token = plugin.create(TOKEN, {"serviceIdentities": services})
    _, role = plugin.create(ROLE, {"name": "role", "serviceIdentities": services})
    reordered = services[::-1]
    assert plugin.diff(TOKEN, token, {"serviceIdentities": reordered}).keys == ["serviceIdentities"]
    assert plugin.diff(ROLE, role, {"name": "role", "serviceIdentities": reordered}).keys == []


def test_only_the_function_returns_the_secret_of_a_token(
    plugin: Driver, store: AclStore, policy: str
) -> None:
    accessor, state = plugin.create(TOKEN, {"policies": ["read"]})
    secret = store.only("token")["SecretID"]
    assert secret not in json.dumps(
        [
            state,
            *plugin.read(TOKEN, accessor)[1:],
            plugin.invoke(GET_TOKEN, {"accessorId": accessor}),
        ]
    )
    assert plugin.invoke(GET_SECRET, {"accessorId": accessor}) == {
        "id": accessor,
        "accessorId": accessor,
        "secretId": secret,
        "encryptedSecretId": "",
        "pgpKey": "",
    }


def test_the_function_marks_the_secret_as_secret(plugin: Driver, policy: str) -> None:
    accessor, _ = plugin.create(TOKEN, {"policies": ["read"]})
    answer = asyncio.run(
        plugin.plugin.invoke(
            engine.InvokeRequest(GET_SECRET, values.to_engine({"accessorId": accessor}))
        )
    )
    assert {key for key, value in (answer.return_value or {}).items() if value.is_secret} == {
        "secretId",
        "encryptedSecretId",
    }


def test_a_token_can_be_looked_up(plugin: Driver, policy: str) -> None:
    role, _ = plugin.create(ROLE, {"name": "role"})
    accessor, _ = plugin.create(TOKEN, {"policies": ["read"], "roles": ["role"], **IDENTITIES})
    found = plugin.invoke(GET_TOKEN, {"accessorId": accessor})
    assert (found["id"], found["local"], found["expirationTime"]) == (accessor, False, "")
    assert found["policies"] == [{"id": policy, "name": "read"}]
    assert found["roles"] == [{"id": role, "name": "role"}]
    assert [item["templateVariables"] for item in found["templatedPolicies"]] == [
        [],
        [{"name": "web"}],
    ]


def test_a_changed_accessor_id_replaces(plugin: Driver, policy: str) -> None:
    chosen = {"accessorId": "0b3c47c1-bb21-5f13-8f9e-000000000001"}
    accessor, state = plugin.create(TOKEN, chosen)
    assert accessor == chosen["accessorId"]
    assert plugin.diff(TOKEN, state, {}).keys == []
    assert plugin.diff(
        TOKEN, state, {"accessorId": "0b3c47c1-bb21-5f13-8f9e-000000000002"}
    ).replaces == ["accessorId"]


@pytest.mark.parametrize("time", ["2031-05-17T09:30:15Z", "2031-05-17T09:30:15+02:00"])
def test_a_token_may_have_an_expiration_time(plugin: Driver, store: AclStore, time: str) -> None:
    accessor, state = plugin.create(TOKEN, {"expirationTime": time})
    assert (state["expirationTime"], plugin.diff(TOKEN, state, {"expirationTime": time}).keys) == (
        time,
        [],
    )
    store.only("token")["ExpirationTime"] = "2031-05-17T09:30:15.25Z"
    assert plugin.read(TOKEN, accessor, state)[1]["expirationTime"] == "2031-05-17T09:30:15Z"


@pytest.mark.parametrize(
    "time", ["tomorrow", "2031-05-17", "2031-05-17T09:30:15", "2031-13-17T09:30:15Z"]
)
def test_an_invalid_expiration_time_is_reported(plugin: Driver, time: str) -> None:
    assert "valid RFC3339 date" in plugin.check(TOKEN, {"expirationTime": time})[1][0]


def test_an_auth_methods_configuration_is_compared_as_text(plugin: Driver, policy: str) -> None:
    spaced = {"name": "jwt", "type": "jwt", "configJson": json.dumps(CONFIG)}
    method, state = plugin.create(METHOD, spaced)
    assert (method, state["configJson"], state["config"]) == ("auth-method-jwt", CONFIG_TEXT, {})
    assert plugin.diff(METHOD, state, spaced).keys == ["configJson"]
    assert plugin.diff(METHOD, state, {**spaced, "configJson": CONFIG_TEXT}).keys == []


def test_an_auth_method_needs_a_configuration_only_on_create(
    plugin: Driver, store: AclStore
) -> None:
    bare = {"name": "jwt", "type": "jwt"}
    with pytest.raises(PluginError, match="one of 'config' or 'config_json' must be set"):
        plugin.create(METHOD, bare)
    method, state = plugin.create(METHOD, {**bare, "configJson": CONFIG_TEXT})
    assert plugin.diff(METHOD, state, bare).keys == []
    after = plugin.update(METHOD, method, state, {**bare, "description": "changed"})
    assert (store.only("auth-method")["Config"], after["configJson"]) == (CONFIG, CONFIG_TEXT)


def test_the_lifetime_of_an_auth_methods_tokens_is_a_duration(
    plugin: Driver, store: AclStore
) -> None:
    hour = {"name": "jwt", "type": "jwt", "configJson": CONFIG_TEXT, "maxTokenTtl": "60m"}
    _, state = plugin.create(METHOD, hour)
    assert (store.only("auth-method")["MaxTokenTTL"], state["maxTokenTtl"]) == ("1h0m0s", "1h0m0s")
    assert plugin.diff(METHOD, state, hour).keys == []
    assert plugin.diff(METHOD, state, {**hour, "maxTokenTtl": "61m"}).keys == ["maxTokenTtl"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"configJson": "{"}, "not a JSON object"),
        ({"configJson": "[]"}, "not a JSON object"),
        ({"maxTokenTtl": "soon"}, "invalid duration"),
    ],
)
def test_an_invalid_auth_method_is_reported(plugin: Driver, wrong: State, why: str) -> None:
    assert why in plugin.check(METHOD, {"type": "jwt", **wrong})[1][0]


def test_an_import_of_an_auth_method_is_refused(plugin: Driver) -> None:
    with pytest.raises(PluginError, match="cannot be imported"):
        plugin.read(METHOD, "auth-method-jwt")


@pytest.mark.parametrize(
    ("token", "news"),
    [(POLICY, READ), (ROLE, {"name": "role", "policies": []}), (TOKEN, {"description": "d"})],
)
def test_an_import_returns_inputs_without_differences(
    plugin: Driver, token: str, news: dict[str, Any]
) -> None:
    resource_id, state = plugin.create(token, news)
    found, imported, inputs = plugin.read(token, resource_id)
    inputs.pop("__defaults")
    assert (found, imported) == (resource_id, state)
    assert plugin.diff(token, state, inputs).keys == []


def test_intentions_in_consuls_order_have_no_differences() -> None:
    token = "consul:index/configEntryServiceIntentions:ConfigEntryServiceIntentions"
    sources = [
        {"name": "web", "action": "allow", "type": "consul", "precedence": 9},
        {"name": "*", "action": "deny", "type": "consul", "precedence": 8},
    ]
    entry = {
        "Kind": "service-intentions",
        "Name": "api",
        "Sources": [
            {"Name": "web", "Action": "allow", "Precedence": 9, "Type": "consul"},
            {"Name": "*", "Action": "deny", "Precedence": 8, "Type": "consul"},
        ],
    }
    with Service(lambda call: Reply(body=entry)) as service:
        plugin = Driver(
            PACKAGE, {"address": service.address, "datacenter": "dc1", "token": "a-token"}
        )
        _, state = plugin.create(token, {"name": "api", "sources": sources})
        assert plugin.diff(token, state, {"name": "api", "sources": sources}).keys == []
        assert plugin.diff(token, state, {"name": "api", "sources": sources[::-1]}).keys == [
            "sources"
        ]
        assert service.bodies("PUT", "/v1/config?dc=dc1") == [entry]
        assert {call.headers["X-Consul-Token"] for call in service.calls} == {"a-token"}
