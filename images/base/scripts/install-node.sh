#!/bin/bash
# Install the uploaded files, and create users and directories. May run again on the same machine.
set -euo pipefail

cp -R --no-preserve=ownership /tmp/slipway/files/. /
chmod 0755 /usr/local/lib/slipway/*
for tool in ip hc enrol; do
	ln -sfn "../lib/slipway/tool_$tool.py" "/usr/local/bin/tool-$tool"
done

if ! id consul >/dev/null 2>&1; then
	useradd --system --home-dir /var/lib/consul --shell /usr/sbin/nologin consul
fi
install -d -o consul -g consul -m 0750 /var/lib/consul
# Tasks of services in Consul's mesh run as this user; it owns no files.
if ! id mesh >/dev/null 2>&1; then
	useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mesh
fi
# tool-enrol changes the mode where tasks of ordinary users must enter.
install -d -o root -g root -m 0700 /var/lib/nomad
install -d -m 0755 /etc/slipway
chown -R root:consul /etc/consul.d
chmod 0750 /etc/consul.d /etc/nomad.d
chmod 0640 /etc/consul.d/*.hcl /etc/nomad.d/*.hcl

# The users for enrolment and for operators. Neither has a password: "*" matches none, and unlike
# "!" it does not lock the account.
if ! id enrol >/dev/null 2>&1; then
	useradd --system --create-home --home-dir /var/lib/enrol --shell /bin/sh --password '*' enrol
fi
if ! id ops >/dev/null 2>&1; then
	useradd --create-home --shell /bin/bash --password '*' ops
fi
install -d -m 0755 /etc/ssh/authorized_keys.d
chmod 0644 /etc/ssh/sshd_config.d/10-slipway.conf
sshd -t
chmod 0440 /etc/sudoers.d/slipway
visudo --check --quiet --file=/etc/sudoers.d/slipway
nft --check --file /usr/local/lib/slipway/node-firewall.nft

python3 -m compileall -q /usr/local/lib/slipway
/usr/local/lib/slipway/chroot_env.py >/etc/nomad.d/chroot.json
# tool-enrol sets bind_addr. Without it Consul refuses a machine with two private addresses, and a
# droplet has two.
echo 'bind_addr = "127.0.0.1"' >/tmp/slipway/bind.hcl
consul validate /etc/consul.d /tmp/slipway/bind.hcl >/dev/null
rm -rf /tmp/slipway

systemctl daemon-reload
# The agents start only once tool-enrol has written their configuration.
systemctl enable --quiet consul.service nomad.service nomad-end-drain.service nomad-jwks.service \
	node-firewall.service grow-root.service consul-dns.socket take-backup.timer
# These would delay the agents at boot: two stages of cloud-init that have nothing to do, a search
# for LVM snapshots, and searches for upgrades.
if command -v cloud-init >/dev/null; then
	systemctl disable --quiet cloud-config.service cloud-final.service
fi
systemctl disable --quiet e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer
