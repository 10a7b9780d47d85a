"""Droplets' disks and snapshots: overlay layers on a stock image.

A droplet writes to its own layer. A snapshot is a copy of that layer with the list of layers below
it, so a droplet created from a snapshot starts at once and shares all unchanged files.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal.machines import stock
from rehearsal.subprocesses import run
from rehearsal.topology.protocol import MachineError


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The overlay of one droplet: it writes to ``upper``; ``lower`` has the topmost layer first."""

    upper: Path
    work: Path
    root: Path
    lower: list[Path]


class Disks:
    """The disks and snapshots of a cloud."""

    def __init__(self, directory: Path) -> None:
        self._droplets = directory / "droplets"
        self._images = directory / "images"

    def directory(self, droplet_id: int) -> Path:
        return self._droplets / str(droplet_id)

    def droplets(self) -> list[int]:
        """Return the id of every droplet that has a disk."""
        entries = self._droplets.iterdir() if self._droplets.exists() else ()
        return sorted(int(entry.name) for entry in entries)

    def _layers(self, image: str) -> list[Path]:
        if image == stock.SLUG:
            return [stock.directory()]
        home = self._images / image
        try:
            below = json.loads((home / "below.json").read_text())
        except FileNotFoundError:
            raise MachineError(f"image {image} has no disk on this machine") from None
        return [home / "layer", *(Path(path) for path in below)]

    def create(self, droplet_id: int, image: str) -> Disk:
        """Create a disk on ``image``, and replace the disk of an interrupted attempt.

        Raises:
            MachineError: the image has no disk on this machine.
        """
        layers = self._layers(image)
        home = self.directory(droplet_id)
        self.remove(droplet_id)
        for name in ("upper", "work", "root"):
            (home / name).mkdir(parents=True, mode=0o755)
        (home / "lower.json").write_text(json.dumps([str(layer) for layer in layers]))
        return self.get(droplet_id)

    def get(self, droplet_id: int) -> Disk:
        """Return the disk of a droplet.

        Raises:
            MachineError: it has none.
        """
        home = self.directory(droplet_id)
        try:
            lower = [Path(path) for path in json.loads((home / "lower.json").read_text())]
        except FileNotFoundError:
            raise MachineError(f"droplet {droplet_id} has no disk on this machine") from None
        return Disk(upper=home / "upper", work=home / "work", root=home / "root", lower=lower)

    def remove(self, droplet_id: int) -> None:
        home = self.directory(droplet_id)
        if home.exists():
            shutil.rmtree(home)

    async def snapshot(self, droplet_id: int, image: str) -> int:
        """Copy the droplet's layer to ``image`` atomically; return the size in bytes."""
        disk = self.get(droplet_id)
        home = self._images / image
        building = home.with_name(f"{image}.building")
        for former in (home, building):
            if former.exists():
                shutil.rmtree(former)
        building.mkdir(parents=True)
        await run("cp", "-a", "--reflink=auto", disk.upper, building / "layer")
        (building / "below.json").write_text(json.dumps([str(layer) for layer in disk.lower]))
        building.rename(home)
        return int((await run("du", "-sB1", home)).split()[0])

    def delete_image(self, image: str) -> None:
        """Delete an image, but keep its directory while a droplet or snapshot uses the layer."""
        home = self._images / image
        if home.exists() and not self._is_used(home / "layer"):
            shutil.rmtree(home)

    def _is_used(self, layer: Path) -> bool:
        lists = [*self._droplets.glob("*/lower.json"), *self._images.glob("*/below.json")]
        return any(str(layer) in json.loads(file.read_text()) for file in lists)
