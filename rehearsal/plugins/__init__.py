"""Provider emulators: replacements for provider plugins that cannot be downloaded.

Each emulator makes the official plugin's API calls in the official order, with the official
defaults, replacements and waits. Only the poll intervals are shorter. A property that is not in
the official schema is an error; it is never ignored.
"""

VERSIONS = {
    "digitalocean": "4.84.1",
    "nomad": "2.6.1",
    "consul": "3.15.2",
    "random": "4.21.4",
    "tls": "5.6.2",
}
"""Version of each emulated plugin. The Python SDK requests exactly this version."""
