"""What runs in the cluster: the registry of services, their Nomad jobs and Consul entries."""
