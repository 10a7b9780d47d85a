"""HAProxy's configuration for the load balancers, as text.

What a request chose stands in it only as one word: no text of the API makes a line or an expression.
"""

import re
from urllib.parse import quote

from rehearsal.config import CloudConfig
from rehearsal.state import certificate_files
from rehearsal.topology.protocol import ForwardingRule, LoadBalancer

STRONG = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""ForwardingRule secrecy and authenticated encryption only."""

TO_TARGET = {
    "http": "",
    "tcp": "",
    "https": " ssl verify none",
    "http2": " ssl verify none alpn h2",
}
"""A balancer takes any certificate of a target: both are in one VPC, and targets have self-signed ones as a rule."""

PLAIN_PORT = 80
"""Redirection is of this port alone."""

_SAFE = "/?&=:@!*+,;~%.-_"
_WORD = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]+")
_NETWORK = re.compile(r"[0-9a-f.:]+/[0-9]+")


def render(config: CloudConfig, balancer: LoadBalancer) -> list[str]:
    """The lines of one balancer: a pool that checks its targets, and a listener for each forwarding rule that follows it.

    Raises:
        ValueError: something of it is no word of a configuration
    """
    return [
        *_pool(balancer),
        *(
            line
            for forward in balancer.forwarding_rules
            for line in _listener(config, balancer, forward)
        ),
    ]


def _pool(balancer: LoadBalancer) -> list[str]:
    """The targets under the balancer's name, checked once however many rules forward to them."""
    health = balancer.health_check
    lines = [
        f"backend {balancer.id}",
        "  mode http",
        f"  source {balancer.private}",
        f"  timeout check {health.timeout_s}s",
        "  timeout server 5s",
    ]
    if health.protocol != "tcp":
        lines += [
            "  option httpchk",
            f"  http-check send meth GET uri {_word(quote(health.path, safe=_SAFE))} ver HTTP/1.1 hdr Host {balancer.public}",
        ]
        lines += ["  http-check expect rstatus ^[23]"]
    secured = " check-ssl verify none" if health.protocol == "https" else ""
    # A target that expects the proxy protocol expects it of a check of the same port, too.
    ports = {forward.target_port for forward in balancer.forwarding_rules}
    proxied = " check-send-proxy" if balancer.proxy_protocol and health.port in ports else ""
    rhythm = f"inter {health.interval_s}s rise {health.healthy_threshold} fall {health.unhealthy_threshold}"
    return lines + [
        f"  server {target} {target}:{health.port} check {rhythm}{secured}{proxied}"
        for target in balancer.targets
    ]


def _listener(config: CloudConfig, balancer: LoadBalancer, forward: ForwardingRule) -> list[str]:
    tcp = forward.entry_protocol == "tcp"
    lines = [
        f"listen {balancer.id}:{forward.entry_port}",
        f"  mode {'tcp' if tcp else 'http'}",
        f"  bind {balancer.public}:{forward.entry_port}{_tls(config, balancer, forward)}",
        *_guard(balancer),
        f"  source {balancer.private}",
        f"  balance {'roundrobin' if balancer.algorithm == 'round_robin' else 'leastconn'}",
        f"  timeout client {balancer.idle_seconds}s",
        f"  timeout server {balancer.idle_seconds}s",
    ]
    if not tcp:
        lines += _http(balancer, forward)
    proxied = " send-proxy" if balancer.proxy_protocol else ""
    secured = TO_TARGET[forward.target_protocol]
    return lines + [
        f"  server {target} {target}:{forward.target_port} track {balancer.id}/{target}{secured}{proxied}"
        for target in balancer.targets
    ]


def _tls(config: CloudConfig, balancer: LoadBalancer, forward: ForwardingRule) -> str:
    """What a listener at which TLS ends adds to its address."""
    if not forward.certificate_id:
        return ""
    spoken = "h2,http/1.1" if forward.entry_protocol == "http2" else "http/1.1"
    ciphers = f" ciphers {STRONG}" if balancer.strong_ciphers else ""
    return f" ssl crt {_word(certificate_files.path(config, forward.certificate_id))} alpn {spoken} ssl-min-ver TLSv1.2{ciphers}"


def _guard(balancer: LoadBalancer) -> list[str]:
    """Who may connect; HAProxy takes the first rule that fits."""
    lines = (
        [
            f"  tcp-request connection reject if !{{ src {_word(balancer.internal_network, _NETWORK)} }}"
        ]
        if balancer.internal_network
        else []
    )
    lines += [
        f"  tcp-request connection reject if {{ src {_word(network, _NETWORK)} }}"
        for network in balancer.deny
    ]
    lines += [
        f"  tcp-request connection accept if {{ src {_word(network, _NETWORK)} }}"
        for network in balancer.allow
    ]
    return lines + (["  tcp-request connection reject"] if balancer.allow else [])


def _http(balancer: LoadBalancer, forward: ForwardingRule) -> list[str]:
    lines = [
        f"  option {'http-keep-alive' if balancer.keepalive else 'http-server-close'}",
        # On a reload an idle connection is closed with its next answer, never under its next request.
        "  option idle-close-on-response",
        "  option forwardfor",
        f"  http-request set-header X-Forwarded-Proto {'https' if forward.certificate_id else 'http'}",
        f"  http-request set-header X-Forwarded-Port {forward.entry_port}",
    ]
    if (
        balancer.redirect_http_to_https
        and forward.entry_protocol == "http"
        and forward.entry_port == PLAIN_PORT
    ):
        lines += ["  http-request redirect scheme https code 307"]
    if balancer.sticky_cookie:
        lifetime = f'attr "Max-Age={balancer.sticky_seconds}"'
        lines += [
            f"  cookie {_word(balancer.sticky_cookie)} insert indirect nocache dynamic {lifetime}",
            f"  dynamic-cookie-key {balancer.id}",
        ]
    return lines


def _word(value: object, allowed: re.Pattern[str] = _WORD) -> str:
    """The one way of what somebody chose into the configuration.

    Raises:
        ValueError: it would not stand there as the one word that it is
    """
    text = str(value)
    if not allowed.fullmatch(text):
        raise ValueError(f"{text!r} is no word of HAProxy's configuration")
    return text
