"""Finding out what an archive is, and opening it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from mirror.errors import InputError
from mirror.seed.archives.contents import Archive
from mirror.seed.archives.distribution import DistributionTree, OcMirrorArchive
from mirror.seed.archives.docker_archive import DockerArchive
from mirror.seed.archives.files import DirectoryFiles, Files, JoinedFiles, SubFiles, TarFiles
from mirror.seed.archives.haul import Haul
from mirror.seed.archives.layout import OciLayout
from mirror.seed.archives.mirror_tree import MirrorTree
from mirror.seed.archives.skopeo_dir import SkopeoDirectories
from mirror.seed.archives.spool import opened, opened_pieces
from mirror.seed.archives.volumes import Volumes, volumes_of

# Those that are a special case of another one come before it. What docker save writes today is a layout, too, and that
# says more; the dir: of skopeo sync is looked for last, because it may lie anywhere below.
FORMATS: Final[dict[str, type[Archive]]] = {
    "haul": Haul,
    "oci": OciLayout,
    "docker-archive": DockerArchive,
    "oc-mirror": OcMirrorArchive,
    "distribution": DistributionTree,
    "v2": MirrorTree,
    "dir": SkopeoDirectories,
}


@contextmanager
def opened_archive(source: Path | Volumes, form: str = "", beside: Path | None = None) -> Iterator[Archive]:
    """Opens a file or directory as what it is, or as the format of that name; of an archive in several files all.

    A compressed file is unpacked into `beside`, a directory, while the block runs.

    Raises:
        InputError: it cannot be read, is of no known format, or is hostile.
    """
    volumes = volumes_of(source) if isinstance(source, Path) else source
    first = volumes.paths[0]
    with ExitStack() as stack:
        if first.is_dir():
            yield _archive(DirectoryFiles(first), form)
        elif volumes.pieces:
            stream = stack.enter_context(opened_pieces(volumes, beside))
            yield _archive(TarFiles(stream, volumes.name), form)
        else:
            streams = [stack.enter_context(opened(path, beside)) for path in volumes.paths]
            tars = [TarFiles(stream, str(path)) for stream, path in zip(streams, volumes.paths, strict=True)]
            yield _archive(tars[0] if len(tars) == 1 else JoinedFiles(tars, volumes.name), form)


def _archive(files: Files, form: str) -> Archive:
    for place in _places(files):
        for name, wanted in FORMATS.items():
            if form in {"", name} and wanted.recognizes(place):
                return wanted(place)
    names = files.children()
    if "bundle.json" in names:
        raise InputError(f"{files.name}: a bundle; ismirror bundle apply takes it")
    if "registries" in names:
        raise InputError(f"{files.name}: a fixture tree; ismirror bundle create --data {files.name} carries it over")
    shown = ", ".join(name[:60] for name in names[:5]) + (", ..." if len(names) > 5 else "")
    expected = _EXPECTED[form] if form else "one of " + ", ".join(_EXPECTED.values())
    raise InputError(f"{files.name}: holds {shown or 'nothing'}; expected {expected}")


_EXPECTED: Final = {name: word.form for name, word in FORMATS.items()}


def _places(files: Files) -> Iterator[Files]:
    """The archive's top, then what lies in directories at its top: many a tar has one, zarf's has ``images``."""
    yield files
    for name in files.children():
        if files.children(name):
            yield SubFiles(files, name)
