#!/bin/bash
# Removes what belongs to the machine that built the image, so that every droplet made from it gets its own.
set -euo pipefail

# cloud-init still at work would write its state again after we removed it.
cloud-init status --wait >/dev/null 2>&1 || true
cloud-init clean --logs
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /root/.ssh/authorized_keys /root/.bash_history
truncate --size 0 /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /var/log/journal/* /var/lib/dhcp/*.leases
find /var/log -type f -exec truncate --size 0 {} +
sync
