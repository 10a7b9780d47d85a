"""Droplets' disks and snapshots: overlay layers on a stock image.

A droplet writes to a layer of its own. A snapshot is a copy of that layer, with the list of layers below it,
so a droplet made from it starts at once and shares all that did not change.
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
    """One droplet's overlay: ``upper`` takes its writes, ``lower`` is below it, topmost first."""

    upper: Path
    work: Path
    root: Path
    lower: list[Path]


class Disks:
    """All disks and snapshots below a cloud's directory."""

    def __init__(self, directory: Path) -> None:
        self._droplets = directory / "droplets"
        self._images = directory / "images"

    def directory(self, droplet_id: int) -> Path:
        return self._droplets / str(droplet_id)

    def droplets(self) -> list[int]:
        return (
            sorted(int(entry.name) for entry in self._droplets.iterdir())
            if self._droplets.exists()
            else []
        )

    def _layers(self, image: str) -> list[Path]:
        if image == stock.SLUG:
            return [stock.directory()]
        home = self._images / image
        try:
            below = json.loads((home / "below.json").read_text())
        except FileNotFoundError:
            raise MachineError(f"image {image} has no disk on this machine") from None
        return [home / "layer", *(Path(path) for path in below)]

    def make(self, droplet_id: int, image: str) -> Disk:
        """An empty layer on ``image``; what an interrupted attempt left is replaced.

        Raises:
            MachineError: the image's disk is not there.
        """
        layers = self._layers(image)
        home = self.directory(droplet_id)
        self.remove(droplet_id)
        for name in ("upper", "work", "root"):
            (home / name).mkdir(parents=True, mode=0o755)
        (home / "lower.json").write_text(json.dumps([str(layer) for layer in layers]))
        return self.get(droplet_id)

    def get(self, droplet_id: int) -> Disk:
        """The disk of a droplet that has one.

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
        """Keep a copy of the droplet's layer as ``image``, whole or not at all; returns the layer's size in bytes."""
        disk = self.get(droplet_id)
        home = self._images / image
        building = home.with_name(f"{image}.building")
        for leftover in (home, building):
            if leftover.exists():
                shutil.rmtree(leftover)
        building.mkdir(parents=True)
        await run("cp", "-a", "--reflink=auto", disk.upper, building / "layer")
        (building / "below.json").write_text(json.dumps([str(layer) for layer in disk.lower]))
        building.rename(home)
        return int((await run("du", "-sB1", home)).split()[0])

    def delete_image(self, image: str) -> None:
        """Forget an image. Droplets made from it keep its layer: the directory goes when the cloud does, or when none uses it."""
        home = self._images / image
        if home.exists() and not self._used(home / "layer"):
            shutil.rmtree(home)

    def _used(self, layer: Path) -> bool:
        lists = [*self._droplets.glob("*/lower.json"), *self._images.glob("*/below.json")]
        return any(str(layer) in json.loads(file.read_text()) for file in lists)
