"""The stack's own certificate authority, which nobody else has signed and which signs for nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_tls as tls

from infra.mtls import Credentials

AUTHORITY_HOURS = 10 * 365 * 24
AUTHORITY_RENEWAL_HOURS = 365 * 24
CERTIFICATE_HOURS = 90 * 24
CERTIFICATE_RENEWAL_HOURS = 30 * 24
"""How long certificates are good for, and how long before their end an update brings new ones. A stack that is updated
once a month never meets the end of one."""

Use = Literal["server_auth", "client_auth"]


@dataclass(frozen=True, kw_only=True)
class AuthorityArgs:
    """Whose authority it is."""

    prefix: str
    """How the names of this stack start."""


class Authority(pulumi.ComponentResource):
    """A key that never leaves the stack's state, and what it signs. Certificates made anew are delivered to machines that are there."""

    operator: pulumi.Output[Credentials]
    """What shows an administrator, and Pulumi, to the cluster: good for asking and not for answering. Secret."""

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
        self.operator = self.certificate(
            "operator", dns_names=["cli.global.nomad"], uses=["client_auth"]
        )
        self.register_outputs({"operator": self.operator})

    def certificate(
        self,
        name: str,
        *,
        dns_names: Sequence[str],
        uses: Sequence[Use],
        ip_addresses: Sequence[pulumi.Input[str]] = (),
    ) -> pulumi.Output[Credentials]:
        """A key, and a certificate under all the names and addresses; secret.

        Args:
            name: of whom it is: ``worker01``.
        """
        logical = f"{self._name}-{name}"
        key = self._private_key(f"{logical}-key")
        request = tls.CertRequest(
            f"{logical}-request",
            private_key_pem=key,
            subject=tls.CertRequestSubjectArgs(common_name=name, organization=self._prefix),
            dns_names=list(dns_names),
            ip_addresses=list(ip_addresses) or None,
            opts=self._child,
        )
        signed = tls.LocallySignedCert(
            f"{logical}-certificate",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._key,
            ca_cert_pem=self._certificate.cert_pem,
            allowed_uses=["digital_signature", *uses],
            validity_period_hours=CERTIFICATE_HOURS,
            early_renewal_hours=CERTIFICATE_RENEWAL_HOURS,
            opts=self._child,
        )
        known = pulumi.Output.all(self._certificate.cert_pem, signed.cert_pem, key)
        return pulumi.Output.secret(
            known.apply(lambda pem: Credentials(authority=pem[0], certificate=pem[1], key=pem[2]))
        )

    def _private_key(self, logical: str) -> pulumi.Output[str]:
        made = tls.PrivateKey(logical, algorithm="ECDSA", ecdsa_curve="P256", opts=self._child)
        return pulumi.Output.secret(made.private_key_pem)
