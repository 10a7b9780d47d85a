"""Request values that several test modules use."""

from typing import Any

SSH_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGfPEJyyZEAa+zoLGO1YRCnjZDI8YZaYVFFvrFSoJl8 me@example"
)
SSH_KEY_FINGERPRINT = "e5:cf:73:29:56:00:48:16:28:1c:ee:a4:4f:5e:e0:58"

DROPLET: dict[str, Any] = {
    "name": "one",
    "region": "nyc3",
    "size": "s-1vcpu-1gb",
    "image": "debian-12-x64",
}
