# The image of all nodes: Debian with Consul, Nomad, their units and the node's programs. Enrolment
# over SSH later makes a droplet a prime or a worker. Both sources run the same provisioners.

packer {
  required_plugins {
    digitalocean = {
      source  = "github.com/digitalocean/digitalocean"
      version = ">= 1.4.1"
    }
  }
}

variable "consul_version" {
  type = string
}

variable "nomad_version" {
  type = string
}

variable "releases_url" {
  type        = string
  default     = "https://releases.hashicorp.com"
  description = "Base URL of <tool>/<version>/ with zip files, SHA256SUMS and signature."
}

variable "releases_key_file" {
  type        = string
  default     = ""
  description = "File of the armoured public key that signs SHA256SUMS; HashiCorp's key if empty."
}

variable "api_url" {
  type    = string
  default = env("DIGITALOCEAN_API_URL")
}

variable "region" {
  type    = string
  default = "nyc3"
}

variable "size" {
  type        = string
  default     = "s-1vcpu-1gb"
  description = "Size of the build droplet; a node's disk cannot be smaller than its disk."
}

variable "build_name" {
  type        = string
  default     = "image-build"
  description = "Name of the build droplet, and of its snapshot until that is complete."
}

variable "ssh_key_id" {
  type        = number
  default     = 0
  description = "Id of the account's key of ssh_private_key_file; 0 creates a temporary one."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "If empty, the null source uses the keys of the SSH agent."
}

variable "host" {
  type        = string
  default     = ""
  description = "Address of the Debian machine that the null source provisions as root."
}

source "digitalocean" "base" {
  api_url              = var.api_url
  image                = "debian-12-x64"
  region               = var.region
  size                 = var.size
  droplet_name         = var.build_name
  snapshot_name        = var.build_name
  droplet_agent        = false
  ssh_username         = "root"
  ssh_key_id           = var.ssh_key_id
  ssh_private_key_file = var.ssh_private_key_file
}

source "null" "local" {
  ssh_host             = var.host
  ssh_username         = "root"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_agent_auth       = var.ssh_private_key_file == ""
}

build {
  name    = "base"
  sources = ["source.digitalocean.base", "source.null.local"]

  provisioner "shell" {
    inline = ["rm -rf /tmp/slipway && mkdir -m 0700 /tmp/slipway"]
  }

  provisioner "file" {
    source      = "${path.root}/files"
    destination = "/tmp/slipway"
  }

  provisioner "file" {
    source      = coalesce(var.releases_key_file, "${path.root}/keys/hashicorp.asc")
    destination = "/tmp/slipway/releases.asc"
  }

  provisioner "shell" {
    script = "${path.root}/scripts/install-releases.py"
    environment_vars = [
      "CONSUL_VERSION=${var.consul_version}",
      "NOMAD_VERSION=${var.nomad_version}",
      "RELEASES_URL=${var.releases_url}",
      "RELEASES_KEY=/tmp/slipway/releases.asc",
    ]
    execute_command = "env {{ .Vars }} python3 {{ .Path }}"
  }

  provisioner "shell" {
    script          = "${path.root}/scripts/install-node.sh"
    execute_command = "env {{ .Vars }} bash {{ .Path }}"
  }

  provisioner "shell" {
    except          = ["null.local"]
    script          = "${path.root}/scripts/clean-image.sh"
    execute_command = "env {{ .Vars }} bash {{ .Path }}"
  }
}
