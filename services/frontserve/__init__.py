"""frontserve: takes the load balancer's requests, and replies with backserve's reply."""
