#!/bin/bash
# Removes what belongs to the machine that built the image, so that every droplet made from it gets its own.
set -euo pipefail

# An enrolled machine has a cluster's secrets in more places than could be named here.
for enrolled in /etc/slipway/node.json /etc/slipway/tls /etc/consul.d/cluster.json /etc/nomad.d/cluster.json \
	/etc/ssh/sshd_config.d/00-enrolled.conf; do
	if [ -e "$enrolled" ]; then
		echo "forget-machine: $enrolled is there: this machine is enrolled, and no image may be made of it" >&2
		exit 1
	fi
done

# cloud-init still at work would write its state again after we removed it.
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
