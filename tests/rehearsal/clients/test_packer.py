"""Packer with DigitalOcean's plugin and an external template, on real machines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.config import CloudConfig
from rehearsal.lifecycle import leak_check
from rehearsal.lifecycle.environment import all_variables
from toolchain import tools

CLOUD = "packertest"
COMMAND_SECONDS = 300

TEMPLATE = """
variable "name" { default = "outside" }

source "digitalocean" "outside" {
  region           = "nyc3"
  size             = "s-1vcpu-1gb"
  image            = "debian-12-x64"
  ssh_username     = "root"
  droplet_name     = "outside-builder"
  tags             = ["builders"]
  monitoring       = true
  ipv6             = true
  snapshot_name    = var.name
  snapshot_tags    = ["outside", "made:by-packer"]
  snapshot_regions = ["nyc3", "sfo3", "ams3"]
}

build {
  sources = ["source.digitalocean.outside"]
  provisioner "file" {
    source      = "${path.root}/greeting"
    destination = "/opt/greeting"
  }
  provisioner "shell" {
    inline = ["grep -qx hello /opt/greeting"]
  }
  post-processor "manifest" {
    output = "${path.root}/manifest.json"
  }
}
"""

LOOKUP = """
data "digitalocean-image" "found" {
  name_regex = "^outs"
  type       = "user"
  region     = "sfo3"
  latest     = true
}

locals { found = data.digitalocean-image.found }

source "null" "none" { communicator = "none" }

build {
  sources = ["source.null.none"]
  post-processor "shell-local" {
    inline = [
      "echo ${local.found.image_id} ${join(",", local.found.image_regions)} > ${path.root}/found"
    ]
  }
}
"""


class Cloud:
    """A cloud with real machines, and Packer."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> "Cloud":
        self.rehearsal("up", "--quiet", "--machines", "nspawn")
        config = CloudConfig.load(CLOUD)
        self._environment = {
            **os.environ,
            **all_variables(config),
            "PACKER_CONFIG_DIR": str(self.directory),
        }
        self._api = f"{config.api_url}/v2"
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {config.token}"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self.rehearsal("down")
        assert leak_check.find_leaks(CLOUD) == []

    def rehearsal(self, verb: str, *words: str) -> None:
        command = [sys.executable, "-m", "rehearsal", verb, "--cloud", CLOUD, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr

    def get(self, path: str) -> Any:
        return self._http.get(f"{self._api}/{path}", timeout=30).json()

    def packer(self, template: str) -> str:
        """Build a template, and return Packer's output."""
        file = self.directory / "template.pkr.hcl"
        file.write_text(template)
        command = [str(tools.bin_dir() / "packer"), "build", "-color=false", str(file)]
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("packer")
    (directory / "greeting").write_text("hello\n")
    with Cloud(directory) as cloud:
        yield cloud


def test_an_external_template_is_built_tagged_transferred_and_found(cloud: Cloud) -> None:
    said = cloud.packer(TEMPLATE)
    (image,) = cloud.get("images?private=true")["images"]
    assert (image["name"], image["type"], image["status"]) == ("outside", "snapshot", "available")
    assert sorted(image["regions"]) == ["ams3", "nyc3", "sfo3"]
    assert sorted(image["tags"]) == ["made:by-packer", "outside"]
    assert f"ID: {image['id']}" in said
    assert "Transfer to sfo3 is complete." in said and "Transfer to ams3 is complete." in said
    assert cloud.get("droplets")["droplets"] == [] and cloud.get("account/keys")["ssh_keys"] == []
    manifest = json.loads((cloud.directory / "manifest.json").read_text())
    assert manifest["builds"][-1]["artifact_id"].endswith(f":{image['id']}")

    cloud.packer(LOOKUP)
    assert (cloud.directory / "found").read_text().split() == [
        str(image["id"]),
        ",".join(image["regions"]),
    ]
