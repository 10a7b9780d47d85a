"""The bucket of the stack's backups, the keys that they need, and their schedule."""

from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean
import pulumi_random as random
import pulumi_tls as tls

from infra.backup.schedule import BackupSchedule
from infra.bucket import create_bucket
from infra.cluster.cluster import Cluster
from infra.cluster.credentials import ClusterCredentials
from infra.names import backup_bucket_name, backup_key_name
from infra.preflight import Context

CERTIFICATE_HOURS = 10 * 365 * 24
KEY_BITS = 3072
CODE_KEY_DIGITS = 64
"""Hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """Arguments of ``Backups``."""

    prefix: str
    region: str
    bucket: str
    endpoint: str
    """URL of Spaces in this region."""
    period_h: int
    keep: int
    days: int
    credentials: ClusterCredentials
    cluster: Cluster
    host_keys: pulumi.Output[dict[str, str]]
    """Public SSH host keys of the primes by name."""

    @classmethod
    def from_context(
        cls,
        context: Context,
        credentials: ClusterCredentials,
        cluster: Cluster,
        host_keys: pulumi.Output[dict[str, str]],
    ) -> Self:
        """Return the arguments of the stack in ``context``."""
        prefix, settings = context.prefix, context.settings
        return cls(
            prefix=prefix,
            region=settings.region,
            bucket=backup_bucket_name(prefix, settings.region, context.account.id),
            endpoint=context.spaces_endpoint,
            period_h=settings.backup_period,
            keep=settings.backup_keep,
            days=settings.backup_days,
            credentials=credentials,
            cluster=cluster,
            host_keys=host_keys,
        )


class Backups(pulumi.ComponentResource):
    """A private bucket, its Spaces key, the keys of backups, and the primes' schedule.

    The keys of backups are never rotated, because earlier backups need them. ``deploy`` reads the
    bucket and the keys in the state, see ``infra.backup.access``.
    """

    def __init__(
        self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Backups", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = create_bucket(f"{name}-bucket", args.bucket, args.region, self)
        key = tls.PrivateKey(f"{name}-key", algorithm="RSA", rsa_bits=KEY_BITS, opts=child)
        certificate = tls.SelfSignedCert(
            f"{name}-certificate",
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=f"{args.prefix} backups", organization=args.prefix
            ),
            allowed_uses=["key_encipherment"],
            validity_period_hours=CERTIFICATE_HOURS,
            opts=child,
        )
        code_key = random.RandomPassword(
            f"{name}-code-key",
            length=CODE_KEY_DIGITS,
            lower=False,
            upper=False,
            override_special="abcdef",
            opts=child,
        )
        spaces_key = digitalocean.SpacesKey(
            f"{name}-spaces-key",
            name=backup_key_name(args.prefix),
            grants=[digitalocean.SpacesKeyGrantArgs(bucket=bucket.name, permission="readwrite")],
            opts=child,
        )
        BackupSchedule(
            f"{name}-schedule",
            cluster=args.cluster.roster.id,
            primes=args.cluster.primes,
            host_keys=args.host_keys,
            enrol_key=args.credentials.secrets.enrol.private,
            access=args.cluster.access,
            config={
                "url": pulumi.Output.concat(args.endpoint, "/", bucket.name),
                "access_key": spaces_key.access_key,
                "secret_key": spaces_key.secret_key,
                "certificate": certificate.cert_pem,
                "code_key": code_key.result,
                "period_h": args.period_h,
                "keep": args.keep,
                "days": args.days,
            },
            token=args.credentials.secrets.backup,
            timeout=args.credentials.timeout_s,
            opts=child,
        )
        self.register_outputs({"bucket": bucket.name})
