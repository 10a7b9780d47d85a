"""Stand-ins for provider plugins that cannot be downloaded.

Each makes the official plugin's API calls in the official order, with the official defaults, replacements and waits;
only the pauses between polls are shorter. A property that the official schema lacks is an error, never ignored.
"""

VERSIONS = {
    "digitalocean": "4.84.1",
    "nomad": "2.6.1",
    "consul": "3.15.2",
    "random": "4.21.4",
    "tls": "5.6.2",
}
"""The official plugin whose place each stand-in takes: the SDK asks for exactly this version."""
