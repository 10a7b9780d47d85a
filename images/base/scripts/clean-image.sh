#!/bin/bash
# Remove keys, ids, logs and state of the build machine: every droplet of the image gets its own.
set -euo pipefail

# An enrolled machine has a cluster's secrets in more places than this script cleans.
for file in /etc/slipway/node.json /etc/slipway/tls /etc/consul.d/cluster.json \
	/etc/nomad.d/cluster.json /etc/ssh/sshd_config.d/00-enrolled.conf; do
	if [ -e "$file" ]; then
		echo "clean-image: $file exists: this machine is enrolled, build the image on another" >&2
		exit 1
	fi
done

# A running cloud-init would write its state again after it was removed.
cloud-init status --wait >/dev/null 2>&1 || true
cloud-init clean --logs
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /root/.ssh/authorized_keys /root/.bash_history
find /etc/ssh/authorized_keys.d /var/lib/consul /var/lib/nomad -mindepth 1 -delete
truncate --size 0 /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /var/log/journal/* /var/lib/dhcp/*.leases
find /var/log -type f -exec truncate --size 0 {} +
sync
