"""Private keys."""

from collections.abc import Sequence
from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, output
from rehearsal.plugins.resource import Change
from rehearsal.plugins.tls.certificate import CurrentTime
from rehearsal.plugins.values import UNKNOWN

CHOICES: dict[str, Sequence[str]] = {
    "algorithm": ("RSA", "ECDSA", "ED25519"),
    "ecdsaCurve": ("P224", "P256", "P384", "P521"),
}
SECRET_OUTPUT = Property(STRING, input=False, secret=True)


class PrivateKey(LocalResource[CurrentTime]):
    """A key pair in all encodings."""

    token = "tls:index/privateKey:PrivateKey"
    properties: ClassVar[Properties] = {
        "algorithm": Property(STRING, required=True, replaces=True),
        "ecdsaCurve": Property(STRING, default="P224", replaces=True),
        "rsaBits": Property(INTEGER, default=2048, replaces=True),
        "privateKeyOpenssh": SECRET_OUTPUT,
        "privateKeyPem": SECRET_OUTPUT,
        "privateKeyPemPkcs8": SECRET_OUTPUT,
        "publicKeyFingerprintMd5": output(STRING),
        "publicKeyFingerprintSha256": output(STRING),
        "publicKeyOpenssh": output(STRING),
        "publicKeyPem": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        return [
            Failure(key, f"value must be one of: {', '.join(choices)}")
            for key, choices in CHOICES.items()
            if inputs[key] not in (*choices, UNKNOWN)
        ]

    def create(self, change: Change) -> None:
        # Imported late: most runs of a plugin need no cryptography.
        from rehearsal.plugins.tls import keys

        new = change.new
        key = keys.generate(new["algorithm"], new["ecdsaCurve"], new["rsaBits"])
        change.id = keys.key_pair_id(key.public_key())
        change.outputs.update(keys.encode_outputs(key))
