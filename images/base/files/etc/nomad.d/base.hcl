# Settings of every node's Nomad agent. tool-enrol writes the node's own settings to cluster.json.
# The image build writes chroot.json: the files of this machine that an exec task sees.

data_dir             = "/var/lib/nomad"
log_level            = "INFO"
disable_update_check = true

# Clients need a certificate of the stack's authority (TLS) and a token (ACL).
tls {
  http                   = true
  rpc                    = true
  ca_file                = "/etc/slipway/tls/ca.pem"
  cert_file              = "/etc/slipway/tls/cert.pem"
  key_file               = "/etc/slipway/tls/key.pem"
  verify_server_hostname = true
  verify_https_client    = true
}

acl {
  enabled = true
}

# Services and tasks log in to Consul with workload identities, which the servers sign.
consul {
  address             = "127.0.0.1:8500"
  service_auth_method = "nomad-workloads"
  task_auth_method    = "nomad-workloads"

  service_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }

  task_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }
}

client {
  max_kill_timeout = "60s"

  # For ports that are reachable from this machine only.
  host_network "loopback" {
    interface = "lo"
    cidr      = "127.0.0.1/32"
  }

  # Without this, Nomad queries the metadata services of all clouds and waits for timeouts. The
  # node's firewall blocks that of this cloud.
  options {
    "fingerprint.denylist" = "env_aws,env_azure,env_gce,env_digitalocean"
  }

  # Reserved for the system and the agents, on a small droplet: MHz and MiB.
  reserved {
    cpu    = 100
    memory = 256
  }

  # Shorter than the time that a droplet has to shut down.
  drain_on_shutdown {
    deadline = "40s"
  }
}

# No task runs as root or has capabilities. Nomad's default gives a task of an ordinary user
# capabilities to change owners, create devices and become another user.
plugin "exec" {
  config {
    allow_caps       = []
    denied_host_uids = "0"
  }
}
