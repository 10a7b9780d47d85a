"""A client of Consul's HTTP API, configured like the official plugin."""

import base64
from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.config import read_setting
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    map_of,
    object_of,
)
from rehearsal.plugins.rest import Response, RestClient, TlsConfig, none_if_not_found

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
    """A client of one agent."""

    def __init__(self, rest: RestClient, datacenter: str) -> None:
        self._rest = rest
        self._datacenter = datacenter

    def datacenter(self, state: State) -> str:
        """Return the datacenter of the resource, else of the provider, else of the agent.

        Like the official plugin, this requests the agent's datacenter each time.
        """
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
    ) -> Response:
        """Send a request to a datacenter; ``raw`` sends the body unchanged.

        Raises:
            RestError: Consul returned an error.
            PluginError: the connection failed.
        """
        return self._rest.call(method, path, body, {"dc": datacenter, **(query or {})}, raw)

    def find(self, path: str, datacenter: str, query: Mapping[str, str] | None = None) -> Any:
        """Send a GET request and return the response, None for a 404."""
        return none_if_not_found(lambda: self.call("GET", path, datacenter, query=query).json())


def connect(config: Mapping[str, Any]) -> Consul:
    """Return a client configured by the provider configuration or the environment."""
    settings = dict(config)
    ssl = read_setting({}, "", ("CONSUL_HTTP_SSL",)).lower() in ("1", "true")
    address = read_setting(
        settings, "address", ("CONSUL_ADDRESS", "CONSUL_HTTP_ADDR"), "localhost:8500"
    )
    scheme, _, host = address.rpartition("://")
    default_scheme = read_setting(
        settings, "scheme", ("CONSUL_SCHEME",), "https" if ssl else "http"
    )
    scheme = scheme or default_scheme
    if settings.get("insecureHttps") and default_scheme != "https":
        raise PluginError("insecure_https is meant to be used when scheme is https")
    tls = TlsConfig(
        ca_file=read_setting(settings, "caFile", ("CONSUL_CA_FILE", "CONSUL_CACERT")),
        ca_path=read_setting(settings, "caPath", ("CONSUL_CAPATH",)),
        ca_pem=read_setting(settings, "caPem", ()),
        cert_file=read_setting(settings, "certFile", ("CONSUL_CERT_FILE", "CONSUL_CLIENT_CERT")),
        cert_pem=read_setting(settings, "certPem", ()),
        key_file=read_setting(settings, "keyFile", ("CONSUL_KEY_FILE", "CONSUL_CLIENT_KEY")),
        key_pem=read_setting(settings, "keyPem", ()),
        insecure=bool(settings.get("insecureHttps")),
    )
    headers = {item["name"]: item["value"] for item in settings.get("headers", [])}
    if token := read_setting(settings, "token", ("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN")):
        headers["X-Consul-Token"] = token
    if user := read_setting(settings, "httpAuth", ("CONSUL_HTTP_AUTH",)):
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if scheme not in ("http", "https"):
        raise PluginError(f"unsupported scheme {scheme} in Consul's address: use http or https")
    return Consul(
        RestClient(f"{scheme}://{host.rstrip('/')}", headers, tls),
        read_setting(settings, "datacenter", ()),
    )
