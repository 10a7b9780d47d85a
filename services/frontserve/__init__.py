"""frontserve: what the load balancer forwards to; asks a backserve and passes its reply on."""
