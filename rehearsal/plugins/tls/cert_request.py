"""Certificate requests."""

from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.properties import STRING, Properties, State, output
from rehearsal.plugins.resource import Change
from rehearsal.plugins.tls.certificate import CurrentTime
from rehearsal.plugins.tls.subject_properties import SUBJECT_PROPERTIES, check_private_key


class CertRequest(LocalResource[CurrentTime]):
    """A certificate signing request (CSR)."""

    token = "tls:index/certRequest:CertRequest"
    properties: ClassVar[Properties] = {
        **SUBJECT_PROPERTIES,
        "certRequestPem": output(STRING),
        "keyAlgorithm": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        return check_private_key(inputs, "privateKeyPem")

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin need no cryptography.
        from rehearsal.plugins.tls import keys, subject

        key = keys.load(change.new["privateKeyPem"], "private key")
        change.id, pem = subject.create_request(subject.subject_from_inputs(change.new, key), key)
        change.outputs.update(certRequestPem=pem, keyAlgorithm=keys.algorithm(key))
