# What every node's Nomad agent has; tool-enrol writes the node's own part beside it, in cluster.json, and the image's
# build what an exec task sees of the machine, in chroot.json.

data_dir             = "/var/lib/nomad"
log_level            = "INFO"
disable_update_check = true

# Nobody is answered without a certificate of the stack's own authority, nor obeyed without a token.
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

# Services and tasks log in to Consul as themselves, with an identity that the servers sign.
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

  # For ports that nobody but the machine itself may reach.
  host_network "loopback" {
    interface = "lo"
    cidr      = "127.0.0.1/32"
  }

  # Metadata services are asked first otherwise: this cloud's is closed, the others' are asked until they time out.
  options {
    "fingerprint.denylist" = "env_aws,env_azure,env_gce,env_digitalocean"
  }

  # The agents' and the system's own share of a small droplet.
  reserved {
    cpu    = 100
    memory = 256
  }

  # Within the time that a droplet is given to shut down.
  drain_on_shutdown {
    deadline = "40s"
  }
}

# No task is root, nor has any of root's powers: without this, one of an ordinary user may change owners, make devices and
# become whom it likes.
plugin "exec" {
  config {
    allow_caps       = []
    denied_host_uids = "0"
  }
}
