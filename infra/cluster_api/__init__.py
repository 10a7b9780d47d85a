"""HTTPS clients for the APIs of Consul and Nomad."""
