"""What runs in the cluster: typed job specifications, and what Consul knows of them."""
