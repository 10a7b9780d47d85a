"""Self-signed certificates, such as CA certificates."""

from typing import ClassVar

from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, output
from rehearsal.plugins.resource import Change
from rehearsal.plugins.tls.certificate import CERTIFICATE_PROPERTIES, Certificate
from rehearsal.plugins.tls.subject_properties import SUBJECT_PROPERTIES


class SelfSignedCert(Certificate):
    """A self-signed certificate."""

    token = "tls:index/selfSignedCert:SelfSignedCert"
    signs_with = "privateKeyPem"
    properties: ClassVar[Properties] = {
        **CERTIFICATE_PROPERTIES,
        **SUBJECT_PROPERTIES,
        "setAuthorityKeyId": Property(BOOLEAN, default=False, replaces=True),
        "keyAlgorithm": output(STRING),
    }

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin need no cryptography.
        from rehearsal.plugins.tls import issuing, keys
        from rehearsal.plugins.tls.subject import subject_from_inputs

        key = keys.load(change.new["privateKeyPem"], "private key")
        subject = subject_from_inputs(change.new, key)
        change.id, outputs = issuing.issue_self_signed(change.new, subject, key, self.client())
        change.outputs.update(outputs, keyAlgorithm=keys.algorithm(key))
