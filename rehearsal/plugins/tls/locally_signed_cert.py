"""Certificates that an authority signs on request."""

from typing import ClassVar

from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, output
from rehearsal.plugins.tls.certificate import CERTIFICATE, Certificate


class LocallySignedCert(Certificate):
    """A certificate for a request, signed with the key of an authority."""

    token = "tls:index/locallySignedCert:LocallySignedCert"
    signs_with = "caPrivateKeyPem"
    properties: ClassVar[Properties] = {
        **CERTIFICATE,
        "caCertPem": Property(STRING, required=True, replaces=True),
        "caPrivateKeyPem": Property(STRING, replaces=True, secret=True),
        "caPrivateKeyPemWo": Property(STRING, secret=True, supported=False),
        "caPrivateKeyPemWoVersion": Property(INTEGER, replaces=True, supported=False),
        "certRequestPem": Property(STRING, required=True, replaces=True),
        "caKeyAlgorithm": output(STRING),
    }

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin sign nothing.
        from rehearsal.plugins.tls import subject, issuing, keys

        new = change.new
        holder = subject.requested(new["certRequestPem"])
        key = keys.load(new["caPrivateKeyPem"], "CA private key")
        change.id, learned = issuing.signed(new, holder, new["caCertPem"], key, self.client())
        change.learned.update(learned, caKeyAlgorithm=keys.algorithm(key))
