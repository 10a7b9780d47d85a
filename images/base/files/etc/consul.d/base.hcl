# What every node's Consul agent has; tool-enrol writes the node's own part beside it, in cluster.json.

data_dir             = "/var/lib/consul"
log_level            = "INFO"
disable_update_check = true

# Checks come from these files alone, never from the HTTP API.
enable_local_script_checks = true

# The host's resolver. Consul has one DNS port; consul-dns.socket answers on 8600.
ports {
  dns      = 53
  grpc     = -1
  grpc_tls = -1
}

dns_config {
  allow_stale      = true
  enable_truncate  = true
  recursor_timeout = "2s"
}

# Agents talk to each other, and primes to those who use their API, when both sides show a certificate of the stack's
# own authority. Plain HTTP is on loopback only.
tls {
  defaults {
    ca_file         = "/etc/slipway/tls/ca.pem"
    cert_file       = "/etc/slipway/tls/cert.pem"
    key_file        = "/etc/slipway/tls/key.pem"
    verify_incoming = true
    verify_outgoing = true
  }

  # A worker's certificate does not make it a server.
  internal_rpc {
    verify_server_hostname = true
  }
}

# Who shows no token may do nothing. No agent has a default token to lend to its machine's processes.
acl {
  enabled                  = true
  default_policy           = "deny"
  enable_token_persistence = false
}

connect {
  enabled = true
}

default_intention_policy = "deny"

# A warning until it first ran: critical would keep the node's services out of DNS for as long.
check {
  id       = "node-health"
  name     = "disk, memory and agents"
  args     = ["/usr/local/bin/tool-hc"]
  interval = "15s"
  timeout  = "10s"
  status   = "warning"
}
