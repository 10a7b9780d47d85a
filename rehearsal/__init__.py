"""The rehearsal cloud: DigitalOcean's API, and machines behind it, on one Linux machine."""
