"""HAProxy's configuration for the load balancers, as text.

Values from API requests become single words of it, so no request can add a line or an expression.
"""

import re
from urllib.parse import quote

from rehearsal.config import CloudConfig
from rehearsal.state import certificate_files
from rehearsal.topology.protocol import ForwardingRule, LoadBalancer

STRONG_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and authenticated encryption only."""

TARGET_OPTIONS = {
    "http": "",
    "tcp": "",
    "https": " ssl verify none",
    "http2": " ssl verify none alpn h2",
}
"""A balancer accepts any certificate of a target: both are in one VPC, and targets usually have
self-signed certificates."""

HTTP_PORT = 80
"""The only port that is redirected to HTTPS."""

_SAFE_CHARACTERS = "/?&=:@!*+,;~%.-_"
_WORD = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE_CHARACTERS)}]+")
_NETWORK = re.compile(r"[0-9a-f.:]+/[0-9]+")


def render(config: CloudConfig, balancer: LoadBalancer) -> list[str]:
    """Return the lines of one balancer: a pool that checks the targets, and one listener per rule.

    Raises:
        ValueError: a value cannot be a word of the configuration.
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
    """Return the pool. Its health checks serve all listeners, so a target is checked only once."""
    health = balancer.health_check
    lines = [
        f"backend {balancer.id}",
        "  mode http",
        f"  source {balancer.private}",
        f"  timeout check {health.timeout_s}s",
        "  timeout server 5s",
    ]
    if health.protocol != "tcp":
        path = _word(quote(health.path, safe=_SAFE_CHARACTERS))
        lines += [
            "  option httpchk",
            f"  http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {balancer.public}",
            "  http-check expect rstatus ^[23]",
        ]
    tls = " check-ssl verify none" if health.protocol == "https" else ""
    # A target that expects the proxy protocol expects it from a check of the same port too.
    ports = {forward.target_port for forward in balancer.forwarding_rules}
    proxy = " check-send-proxy" if balancer.proxy_protocol and health.port in ports else ""
    interval = (
        f"inter {health.interval_s}s "
        f"rise {health.healthy_threshold} fall {health.unhealthy_threshold}"
    )
    return lines + [
        f"  server {target} {target}:{health.port} check {interval}{tls}{proxy}"
        for target in balancer.targets
    ]


def _listener(config: CloudConfig, balancer: LoadBalancer, forward: ForwardingRule) -> list[str]:
    is_tcp = forward.entry_protocol == "tcp"
    lines = [
        f"listen {balancer.id}:{forward.entry_port}",
        f"  mode {'tcp' if is_tcp else 'http'}",
        f"  bind {balancer.public}:{forward.entry_port}{_tls_options(config, balancer, forward)}",
        *_connection_rules(balancer),
        f"  source {balancer.private}",
        f"  balance {'roundrobin' if balancer.algorithm == 'round_robin' else 'leastconn'}",
        f"  timeout client {balancer.idle_seconds}s",
        f"  timeout server {balancer.idle_seconds}s",
    ]
    if not is_tcp:
        lines += _http_options(balancer, forward)
    proxy = " send-proxy" if balancer.proxy_protocol else ""
    tls = TARGET_OPTIONS[forward.target_protocol]
    return lines + [
        f"  server {target} {target}:{forward.target_port} track {balancer.id}/{target}{tls}{proxy}"
        for target in balancer.targets
    ]


def _tls_options(config: CloudConfig, balancer: LoadBalancer, forward: ForwardingRule) -> str:
    """Return the options of a listener that terminates TLS."""
    if not forward.certificate_id:
        return ""
    protocols = "h2,http/1.1" if forward.entry_protocol == "http2" else "http/1.1"
    ciphers = f" ciphers {STRONG_CIPHERS}" if balancer.strong_ciphers else ""
    file = _word(certificate_files.path(config, forward.certificate_id))
    return f" ssl crt {file} alpn {protocols} ssl-min-ver TLSv1.2{ciphers}"


def _connection_rules(balancer: LoadBalancer) -> list[str]:
    """Return the rules for new connections; HAProxy applies the first that matches."""
    rules = []
    if balancer.internal_network:
        rules.append(("reject", f"!{{ src {_word(balancer.internal_network, _NETWORK)} }}"))
    rules += [("reject", f"{{ src {_word(network, _NETWORK)} }}") for network in balancer.deny]
    rules += [("accept", f"{{ src {_word(network, _NETWORK)} }}") for network in balancer.allow]
    lines = [f"  tcp-request connection {action} if {condition}" for action, condition in rules]
    return lines + (["  tcp-request connection reject"] if balancer.allow else [])


def _http_options(balancer: LoadBalancer, forward: ForwardingRule) -> list[str]:
    scheme = "https" if forward.certificate_id else "http"
    lines = [
        f"  option {'http-keep-alive' if balancer.keepalive else 'http-server-close'}",
        # On a reload an idle connection closes after its next response, not during a request.
        "  option idle-close-on-response",
        "  option forwardfor",
        f"  http-request set-header X-Forwarded-Proto {scheme}",
        f"  http-request set-header X-Forwarded-Port {forward.entry_port}",
    ]
    if (
        balancer.redirect_http_to_https
        and forward.entry_protocol == "http"
        and forward.entry_port == HTTP_PORT
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
    """Return a value from a request as a word of the configuration.

    Raises:
        ValueError: the value has other characters than a word may have.
    """
    text = str(value)
    if not allowed.fullmatch(text):
        raise ValueError(f"{text!r} cannot be a word of HAProxy's configuration")
    return text
