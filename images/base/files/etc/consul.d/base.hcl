# Settings of every node's Consul agent. tool-enrol writes the node's own settings to cluster.json.

data_dir             = "/var/lib/consul"
log_level            = "INFO"
disable_update_check = true

# Script checks may be defined in these files only, not over the HTTP API.
enable_local_script_checks = true

# Consul is the host's resolver. It has one DNS port; consul-dns.socket relays port 8600.
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

# Mutual TLS by the stack's certificate authority: between agents, and on the primes' HTTPS API.
# Plain HTTP is on loopback only.
tls {
  defaults {
    ca_file         = "/etc/slipway/tls/ca.pem"
    cert_file       = "/etc/slipway/tls/cert.pem"
    key_file        = "/etc/slipway/tls/key.pem"
    verify_incoming = true
    verify_outgoing = true
  }

  # Only a server's certificate has the server name, so a worker cannot act as a server.
  internal_rpc {
    verify_server_hostname = true
  }
}

# A request without a token is denied. Agents have no default token that local processes could use.
acl {
  enabled                  = true
  default_policy           = "deny"
  enable_token_persistence = false
}

connect {
  enabled = true
}

default_intention_policy = "deny"

# A warning until the first run: critical would keep the node's services out of DNS until then.
check {
  id       = "node-health"
  name     = "disk, memory and agents"
  args     = ["/usr/local/bin/tool-hc"]
  interval = "15s"
  timeout  = "10s"
  status   = "warning"
}
