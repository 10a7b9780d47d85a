"""Certificates that a CA signs."""

from typing import ClassVar

from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, output
from rehearsal.plugins.resource import Change
from rehearsal.plugins.tls.certificate import CERTIFICATE_PROPERTIES, Certificate


class LocallySignedCert(Certificate):
    """A certificate for a certificate request, signed by a CA."""

    token = "tls:index/locallySignedCert:LocallySignedCert"
    signs_with = "caPrivateKeyPem"
    properties: ClassVar[Properties] = {
        **CERTIFICATE_PROPERTIES,
        "caCertPem": Property(STRING, required=True, replaces=True),
        "caPrivateKeyPem": Property(STRING, replaces=True, secret=True),
        "caPrivateKeyPemWo": Property(STRING, secret=True, supported=False),
        "caPrivateKeyPemWoVersion": Property(INTEGER, replaces=True, supported=False),
        "certRequestPem": Property(STRING, required=True, replaces=True),
        "caKeyAlgorithm": output(STRING),
    }

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin need no cryptography.
        from rehearsal.plugins.tls import issuing, keys
        from rehearsal.plugins.tls.subject import subject_from_request

        new = change.new
        subject = subject_from_request(new["certRequestPem"])
        key = keys.load(new["caPrivateKeyPem"], "CA private key")
        change.id, outputs = issuing.issue_signed(
            new, subject, new["caCertPem"], key, self.client()
        )
        change.outputs.update(outputs, caKeyAlgorithm=keys.algorithm(key))
