"""Certificates that their own key signs: above all, of an authority."""

from typing import ClassVar

from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, output
from rehearsal.plugins.tls.certificate import CERTIFICATE, Certificate
from rehearsal.plugins.tls.subject_properties import HOLDER


class SelfSignedCert(Certificate):
    """A certificate whose issuer is its subject."""

    token = "tls:index/selfSignedCert:SelfSignedCert"
    signs_with = "privateKeyPem"
    properties: ClassVar[Properties] = {
        **CERTIFICATE,
        **HOLDER,
        "setAuthorityKeyId": Property(BOOLEAN, default=False, replaces=True),
        "keyAlgorithm": output(STRING),
    }

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin sign nothing.
        from rehearsal.plugins.tls import subject, issuing, keys

        key = keys.load(change.new["privateKeyPem"], "private key")
        holder = subject.written(change.new, key)
        change.id, learned = issuing.self_signed(change.new, holder, key, self.client())
        change.learned.update(learned, keyAlgorithm=keys.algorithm(key))
