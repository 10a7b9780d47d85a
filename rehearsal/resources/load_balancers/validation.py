"""Validation of load balancers: rules that span fields, and unsupported values."""

from typing import Any

from rehearsal.errors import unprocessable
from rehearsal.resources.load_balancers import schemas
from rehearsal.resources.load_balancers.schemas import SIZE_NODES, LoadBalancerWrite
from rehearsal.state.records import (
    Certificate,
    ForwardingRule,
    HealthCheck,
    LoadBalancerFirewall,
    StickySessions,
)
from rehearsal.state.states import CertificateState
from rehearsal.state.store import Store

UNSUPPORTED = {
    "GLOBAL": (
        "the rehearsal cloud has no global load balancers: all of its regions are on one machine"
    ),
    "REGIONAL_NETWORK": (
        "the rehearsal cloud has no network load balancers: "
        "its HAProxy terminates connections and forwards no packets"
    ),
    "DUALSTACK": "the rehearsal cloud has no IPv6",
    "udp": "the rehearsal cloud forwards no UDP: its HAProxy does not support it",
    "http3": "the rehearsal cloud forwards no HTTP/3: its HAProxy has no QUIC",
}

WEB = ("http", "https", "http2")
TLS = ("https", "http2")


def to_record_fields(store: Store, body: LoadBalancerWrite) -> dict[str, Any]:
    """Check a request, and return the fields that a record takes from it.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    for value in (body.type, body.network_stack):
        _check_supported(value)
    for field in ("domains", "glb_settings", "target_load_balancer_ids"):
        if getattr(body, field):
            raise unprocessable(
                f"{field} is of global load balancers only; {UNSUPPORTED['GLOBAL']}."
            )
    if body.droplet_ids and body.tag:
        raise unprocessable("Only one of droplet_ids and tag can be given.")
    if body.size and body.size_unit is not None and SIZE_NODES[body.size] != body.size_unit:
        raise unprocessable("Only one of size and size_unit can be given.")
    return {
        "name": body.name,
        "algorithm": body.algorithm,
        "forwarding_rules": check_rules(store, body.forwarding_rules),
        "health_check": HealthCheck(**body.health_check.model_dump()),
        "sticky_sessions": StickySessions(**body.sticky_sessions.model_dump()),
        "redirect_http_to_https": body.redirect_http_to_https,
        "enable_proxy_protocol": body.enable_proxy_protocol,
        "enable_backend_keepalive": body.enable_backend_keepalive,
        "disable_lets_encrypt_dns_records": body.disable_lets_encrypt_dns_records,
        "http_idle_timeout_seconds": body.http_idle_timeout_seconds,
        "tls_cipher_policy": body.tls_cipher_policy or "DEFAULT",
        "size_unit": body.size_unit or SIZE_NODES[body.size or "lb-small"],
        "firewall": LoadBalancerFirewall(**body.firewall.model_dump()),
    }


def check_rules(store: Store, rules: list[schemas.ForwardingRule]) -> list[ForwardingRule]:
    """Check forwarding rules, and return their records.

    Raises:
        ApiError: 422 for an empty list, a port used twice, or an unsupported rule.
    """
    if not rules:
        raise unprocessable("A Load LoadBalancer must have at least one forwarding rule.")
    ports = [rule.entry_port for rule in rules]
    if len(set(ports)) < len(ports):
        raise unprocessable("Each forwarding rule needs an entry port of its own.")
    return [_check_rule(store, rule) for rule in rules]


def _check_rule(store: Store, rule: schemas.ForwardingRule) -> ForwardingRule:
    entry, target = rule.entry_protocol, rule.target_protocol
    for protocol in (entry, target):
        _check_supported(protocol)
    if rule.certificate_id and rule.tls_passthrough:
        raise unprocessable("Only one of certificate_id and tls_passthrough can be given.")
    if (rule.certificate_id or rule.tls_passthrough) and entry not in TLS:
        raise unprocessable(
            "certificate_id and tls_passthrough need the entry protocol https or http2, "
            f"not {entry}."
        )
    if entry in TLS and not (rule.certificate_id or rule.tls_passthrough):
        raise unprocessable(
            f"The entry protocol {entry} needs a certificate_id or tls_passthrough."
        )
    if rule.tls_passthrough and target != entry:
        raise unprocessable(
            f"TLS passthrough does not change the protocol: {entry} needs the target protocol "
            f"{entry}, not {target}."
        )
    if (entry in WEB) != (target in WEB):
        raise unprocessable(f"{entry} cannot be forwarded as {target}.")
    if rule.certificate_id:
        _check_certificate(store, rule.certificate_id)
    return ForwardingRule.model_validate(rule.model_dump())


def _check_certificate(store: Store, id: str) -> None:
    certificate = store.get(Certificate, id)
    if certificate is None:
        raise unprocessable(f"certificate {id} does not exist")
    if certificate.state is not CertificateState.VERIFIED:
        raise unprocessable(f"certificate {id} is not verified but {certificate.state}")


def _check_supported(value: str) -> None:
    if value in UNSUPPORTED:
        raise unprocessable(f"{value}: {UNSUPPORTED[value]}.")
