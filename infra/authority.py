"""The stack's certificate authority: self-signed, and only for this stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_tls as tls

from infra.mtls import Credentials
from infra.names import OPERATOR

AUTHORITY_HOURS = 10 * 365 * 24
AUTHORITY_RENEWAL_HOURS = 365 * 24
CERTIFICATE_HOURS = 90 * 24
CERTIFICATE_RENEWAL_HOURS = 30 * 24
"""An update in the last ``*_RENEWAL_HOURS`` of a certificate renews it.

So no certificate expires in a stack that is updated once a month.
"""

Use = Literal["server_auth", "client_auth"]


@dataclass(frozen=True, kw_only=True)
class AuthorityArgs:
    """Arguments of ``Authority``."""

    prefix: str
    """Start of all names of the stack."""


class Authority(pulumi.ComponentResource):
    """A CA key, which never leaves the state, and the certificates that it signs.

    Renewed certificates are delivered to existing machines.
    """

    operator: pulumi.Output[Credentials]
    """The client certificate of administrators and of Pulumi; not a server certificate. Secret."""

    def __init__(
        self, name: str, args: AuthorityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Authority", name, None, opts)
        self._name, self._prefix = name, args.prefix
        self._child = pulumi.ResourceOptions(parent=self)
        self._key = self._private_key(f"{name}-key")
        self._certificate = tls.SelfSignedCert(
            f"{name}-certificate",
            private_key_pem=self._key,
            is_ca_certificate=True,
            set_subject_key_id=True,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=f"{args.prefix} authority", organization=args.prefix
            ),
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=AUTHORITY_HOURS,
            early_renewal_hours=AUTHORITY_RENEWAL_HOURS,
            opts=self._child,
        )
        self.operator = self.issue_certificate(
            OPERATOR, dns_names=["cli.global.nomad"], uses=["client_auth"]
        )
        self.register_outputs({"operator": self.operator})

    def issue_certificate(
        self,
        subject: str,
        *,
        dns_names: Sequence[pulumi.Input[str]],
        uses: Sequence[Use],
        ip_addresses: Sequence[pulumi.Input[str]] = (),
        trigger: pulumi.Input[object] | None = None,
    ) -> pulumi.Output[Credentials]:
        """Create a key and a certificate for all names and addresses; secret.

        Args:
            subject: the owner of the key: ``worker01``.
            trigger: a change of it replaces the key.
        """
        logical_name = f"{self._name}-{subject}"
        key = self._private_key(f"{logical_name}-key", trigger)
        request = tls.CertRequest(
            f"{logical_name}-request",
            private_key_pem=key,
            subject=tls.CertRequestSubjectArgs(common_name=subject, organization=self._prefix),
            dns_names=list(dns_names),
            ip_addresses=list(ip_addresses) or None,
            opts=self._child,
        )
        certificate = tls.LocallySignedCert(
            f"{logical_name}-certificate",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._key,
            ca_cert_pem=self._certificate.cert_pem,
            allowed_uses=["digital_signature", *uses],
            validity_period_hours=CERTIFICATE_HOURS,
            early_renewal_hours=CERTIFICATE_RENEWAL_HOURS,
            opts=self._child,
        )
        pem = pulumi.Output.all(self._certificate.cert_pem, certificate.cert_pem, key)
        return pulumi.Output.secret(
            pem.apply(
                lambda resolved: Credentials(
                    authority=resolved[0], certificate=resolved[1], key=resolved[2]
                )
            )
        )

    def _private_key(
        self, logical_name: str, trigger: pulumi.Input[object] | None = None
    ) -> pulumi.Output[str]:
        key = tls.PrivateKey(
            logical_name,
            algorithm="ECDSA",
            ecdsa_curve="P256",
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=trigger),
        )
        return pulumi.Output.secret(key.private_key_pem)
