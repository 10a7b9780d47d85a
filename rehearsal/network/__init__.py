"""The network of a cloud: bridges, firewalls, load balancers, DNS, metadata and releases."""
