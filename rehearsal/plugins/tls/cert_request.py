"""Requests for certificates."""

from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import STRING, Properties, State, output
from rehearsal.plugins.tls.certificate import Now
from rehearsal.plugins.tls.subject_properties import HOLDER, missing_key


class CertRequest(LocalResource[Now]):
    """What an authority needs to sign a certificate: names, and the public key with a proof that its owner asks."""

    token = "tls:index/certRequest:CertRequest"
    properties: ClassVar[Properties] = {
        **HOLDER,
        "certRequestPem": output(STRING),
        "keyAlgorithm": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        return missing_key(inputs, "privateKeyPem")

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin make no request.
        from rehearsal.plugins.tls import subject, keys

        key = keys.load(change.new["privateKeyPem"], "private key")
        change.id, pem = subject.request(subject.written(change.new, key), key)
        change.learned.update(certRequestPem=pem, keyAlgorithm=keys.algorithm(key))
