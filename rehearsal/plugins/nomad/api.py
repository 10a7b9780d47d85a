"""A client of Nomad's HTTP API, configured like the official plugin."""

import base64
from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.config import read_setting
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    list_of,
    map_of,
    object_of,
)
from rehearsal.plugins.rest import RestClient, TlsConfig, none_if_not_found

CONFIG: Properties = {
    "address": Property(STRING),
    "authJwt": Property(map_of(STRING), supported=False),
    "caFile": Property(STRING),
    "caPem": Property(STRING),
    "certFile": Property(STRING),
    "certPem": Property(STRING),
    "headers": Property(
        list_of(
            object_of(
                {"name": Property(STRING, required=True), "value": Property(STRING, required=True)}
            )
        ),
        secret=True,
    ),
    "httpAuth": Property(STRING, secret=True),
    "ignoreEnvVars": Property(map_of(BOOLEAN)),
    "keyFile": Property(STRING),
    "keyPem": Property(STRING, secret=True),
    "region": Property(STRING),
    "secretId": Property(STRING, secret=True),
    "skipVerify": Property(BOOLEAN),
}


class Nomad:
    """A client of one region."""

    def __init__(self, rest: RestClient, region: str) -> None:
        self._rest = rest
        self._region = {"region": region} if region else {}

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Send a request and return the parsed JSON response.

        Raises:
            RestError: Nomad returned an error.
            PluginError: the connection failed.
        """
        return self._rest.call(method, path, body, {**(query or {}), **self._region}).json()

    def find(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Send a GET request and return the response, None for a 404."""
        return none_if_not_found(lambda: self.call("GET", path, query=query))


def connect(config: Mapping[str, Any]) -> Nomad:
    """Return a client configured by the provider configuration or the environment."""
    settings = dict(config)
    ignored = {name for name, ignore in settings.get("ignoreEnvVars", {}).items() if ignore}

    def value(key: str, *variables: str) -> str:
        return read_setting(settings, key, [name for name in variables if name not in ignored])

    tls = TlsConfig(
        ca_file=value("caFile", "NOMAD_CACERT"),
        ca_pem=value("caPem"),
        cert_file=value("certFile", "NOMAD_CLIENT_CERT"),
        cert_pem=value("certPem"),
        key_file=value("keyFile", "NOMAD_CLIENT_KEY"),
        key_pem=value("keyPem"),
        insecure=value("skipVerify", "NOMAD_SKIP_VERIFY").lower() in ("1", "true"),
    )
    headers = {item["name"]: item["value"] for item in settings.get("headers", [])}
    if token := value("secretId", "NOMAD_TOKEN"):
        headers["X-Nomad-Token"] = token
    if user := value("httpAuth", "NOMAD_HTTP_AUTH"):
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    address = value("address", "NOMAD_ADDR") or "http://127.0.0.1:4646"
    return Nomad(RestClient(address.rstrip("/"), headers, tls), value("region", "NOMAD_REGION"))
