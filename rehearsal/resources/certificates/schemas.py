"""Request and response bodies of certificates."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from rehearsal.api.schemas import Body
from rehearsal.state import records

Pem = Annotated[str, StringConstraints(max_length=64 * 1024)]


class CertificateCreate(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    type: Literal["custom", "lets_encrypt", ""] = ""
    private_key: Pem = ""
    leaf_certificate: Pem = ""
    certificate_chain: Pem = ""
    dns_names: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)


class Certificate(BaseModel):
    id: str
    name: str
    not_after: str
    sha1_fingerprint: str
    created_at: str
    dns_names: list[str]
    state: str
    type: str

    @classmethod
    def from_record(cls, certificate: records.Certificate) -> "Certificate":
        return cls(**certificate.model_dump())
