"""Key usages of certificates, by the official plugin's names."""

from rehearsal.plugins.check import Failure
from rehearsal.plugins.properties import State
from rehearsal.plugins.values import UNKNOWN

KEY_USAGES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
"""Names to bits of the key usage extension."""

EXTENDED_KEY_USAGES = {
    "any_extended": "2.5.29.37.0",
    "server_auth": "1.3.6.1.5.5.7.3.1",
    "client_auth": "1.3.6.1.5.5.7.3.2",
    "code_signing": "1.3.6.1.5.5.7.3.3",
    "email_protection": "1.3.6.1.5.5.7.3.4",
    "ipsec_end_system": "1.3.6.1.5.5.7.3.5",
    "ipsec_tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec_user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp_signing": "1.3.6.1.5.5.7.3.9",
    "microsoft_server_gated_crypto": "1.3.6.1.4.1.311.10.3.3",
    "netscape_server_gated_crypto": "2.16.840.1.113730.4.1",
    "microsoft_commercial_code_signing": "1.3.6.1.4.1.311.2.1.22",
    "microsoft_kernel_code_signing": "1.3.6.1.4.1.311.61.1.1",
}
"""Names to object identifiers of the extended key usage extension."""


def check_allowed_uses(inputs: State) -> list[Failure]:
    """Return a failure for each unknown use in ``allowedUses``."""
    uses = inputs["allowedUses"]
    if uses == UNKNOWN:
        return []
    valid = {*KEY_USAGES, *EXTENDED_KEY_USAGES}
    accepted = ", ".join(sorted(valid))
    return [
        Failure(f"allowedUses[{index}]", f"value must be one of: {accepted}")
        for index, use in enumerate(uses)
        if use not in {UNKNOWN, *valid}
    ]
