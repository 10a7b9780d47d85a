# What every node's Consul agent has; tool-join writes the node's own part beside it, in cluster.json.

data_dir             = "/var/lib/consul"
log_level            = "INFO"
disable_update_check = true

# Checks come from these files alone, never from the HTTP API.
enable_local_script_checks = true

# The host's resolver. Consul has one DNS port; consul-dns.socket answers on 8600.
ports {
  dns = 53
}

dns_config {
  allow_stale      = true
  enable_truncate  = true
  recursor_timeout = "2s"
}

# A warning until it first ran: critical would keep the node's services out of DNS for as long.
check {
  id       = "node-health"
  name     = "disk, memory and agents"
  args     = ["/usr/local/bin/tool-hc"]
  interval = "15s"
  timeout  = "10s"
  status   = "warning"
}
