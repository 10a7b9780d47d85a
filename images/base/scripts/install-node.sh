#!/bin/bash
# Puts the uploaded files in their places and makes what they need. May be run again on the same machine.
set -euo pipefail

cp -R --no-preserve=ownership /tmp/slipway/files/. /
chmod 0755 /usr/local/lib/slipway/*
for tool in ip hc join rejoin; do
	ln -sfn "../lib/slipway/tool_$tool.py" "/usr/local/bin/tool-$tool"
done

if ! id consul >/dev/null 2>&1; then
	useradd --system --home-dir /var/lib/consul --shell /usr/sbin/nologin consul
fi
install -d -o consul -g consul -m 0750 /var/lib/consul
install -d -o root -g root -m 0700 /var/lib/nomad
install -d -m 0755 /etc/slipway
chown -R root:consul /etc/consul.d
chmod 0750 /etc/consul.d /etc/nomad.d
chmod 0640 /etc/consul.d/*.hcl /etc/nomad.d/*.hcl

python3 -m compileall -q /usr/local/lib/slipway
/usr/local/lib/slipway/chroot_env.py >/etc/nomad.d/chroot.json
consul validate /etc/consul.d >/dev/null
rm -rf /tmp/slipway

systemctl daemon-reload
systemctl enable --quiet node-join.service consul-dns.socket
# They would take the first seconds of a boot from the agents: one looks for LVM snapshots, the others for upgrades.
systemctl disable --quiet e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer
