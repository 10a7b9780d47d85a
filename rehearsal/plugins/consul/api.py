"""Consul's HTTP API, as the official plugin uses it."""

import base64
from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.config import setting
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.rest import Answer, Rest, RestError, Tls
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, list_of, map_of, object_of

CONFIG: Properties = {
    "address": Property(STRING),
    "authJwt": Property(map_of(STRING), supported=False),
    "authLoginAws": Property(map_of(STRING), supported=False),
    "caFile": Property(STRING),
    "caPath": Property(STRING),
    "caPem": Property(STRING),
    "certFile": Property(STRING),
    "certPem": Property(STRING),
    "datacenter": Property(STRING),
    "headers": Property(
        list_of(
            object_of(
                {"name": Property(STRING, required=True), "value": Property(STRING, required=True)}
            )
        ),
        secret=True,
    ),
    "httpAuth": Property(STRING),
    "insecureHttps": Property(BOOLEAN),
    "keyFile": Property(STRING),
    "keyPem": Property(STRING),
    "namespace": Property(STRING, supported=False),
    "scheme": Property(STRING),
    "token": Property(STRING, secret=True),
}


class Consul:
    """One agent."""

    def __init__(self, rest: Rest, datacenter: str) -> None:
        self._rest = rest
        self._datacenter = datacenter

    def datacenter(self, state: State) -> str:
        """The resource's datacenter, else the provider's, else the agent's own, which is asked for each time."""
        chosen = state.get("datacenter") or self._datacenter
        return str(
            chosen or self._rest.call("GET", "/v1/agent/self").json()["Config"]["Datacenter"]
        )

    def call(
        self,
        method: str,
        path: str,
        datacenter: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Answer:
        """One request in a datacenter; ``raw`` sends the body as it is.

        Raises:
            RestError: refused, with the status and Consul's message.
            PluginError: no connection.
        """
        return self._rest.call(method, path, body, {"dc": datacenter, **(query or {})}, raw)

    def find(self, path: str, datacenter: str, query: Mapping[str, str] | None = None) -> Any:
        """One GET, None for a 404."""
        try:
            return self.call("GET", path, datacenter, query=query).json()
        except RestError as error:
            if error.status == 404:
                return None
            raise


def connect(config: Mapping[str, Any]) -> Consul:
    """The agent that the provider's configuration or the environment names."""
    settings = dict(config)
    ssl = setting({}, "", ("CONSUL_HTTP_SSL",)).lower() in ("1", "true")
    address = setting(settings, "address", ("CONSUL_ADDRESS", "CONSUL_HTTP_ADDR"), "localhost:8500")
    scheme, _, host = address.rpartition("://")
    named = setting(settings, "scheme", ("CONSUL_SCHEME",), "https" if ssl else "http")
    scheme = scheme or named
    if settings.get("insecureHttps") and named != "https":
        raise PluginError("insecure_https is meant to be used when scheme is https")
    tls = Tls(
        ca_file=setting(settings, "caFile", ("CONSUL_CA_FILE", "CONSUL_CACERT")),
        ca_path=setting(settings, "caPath", ("CONSUL_CAPATH",)),
        ca_pem=setting(settings, "caPem", ()),
        cert_file=setting(settings, "certFile", ("CONSUL_CERT_FILE", "CONSUL_CLIENT_CERT")),
        cert_pem=setting(settings, "certPem", ()),
        key_file=setting(settings, "keyFile", ("CONSUL_KEY_FILE", "CONSUL_CLIENT_KEY")),
        key_pem=setting(settings, "keyPem", ()),
        insecure=bool(settings.get("insecureHttps")),
    )
    headers = {item["name"]: item["value"] for item in settings.get("headers", [])}
    if token := setting(settings, "token", ("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN")):
        headers["X-Consul-Token"] = token
    if user := setting(settings, "httpAuth", ("CONSUL_HTTP_AUTH",)):
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if scheme not in ("http", "https"):
        raise PluginError(f"cannot speak {scheme} to Consul")
    return Consul(
        Rest(f"{scheme}://{host.rstrip('/')}", headers, tls), setting(settings, "datacenter", ())
    )
