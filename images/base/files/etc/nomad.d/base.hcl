# What every node's Nomad agent has; tool-join writes the node's own part beside it, in cluster.json, and the image's
# build what an exec task sees of the machine, in chroot.json.

data_dir             = "/var/lib/nomad"
log_level            = "INFO"
disable_update_check = true

consul {
  address = "127.0.0.1:8500"
}

client {
  max_kill_timeout = "60s"

  # The other clouds' metadata services are asked first otherwise, each until it times out.
  options {
    "fingerprint.denylist" = "env_aws,env_azure,env_gce"
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
