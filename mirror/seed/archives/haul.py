"""What hauler saves: an OCI image layout for everything, with an annotation that says what each entry is.

Source: hauler, ``pkg/consts`` and ``cmd/hauler/cli/store/copy.go``. Signatures, attestations and lists of parts have
the name of their image; in a registry they are tags made of its digest, as cosign makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fake_registry.errors import TreeError
from fake_registry.fixtures.layout import MAX_INDEX, parse_index
from fake_registry.oci import Descriptor
from mirror.errors import InputError
from mirror.seed.archives.contents import ArchivedImage
from mirror.seed.archives.files import Files, read_small
from mirror.seed.archives.layout import CONTAINERD_NAME, OciLayout, split_reference

_KIND: Final = "kind"
_PREFIXES: Final = ("dev.hauler/", "dev.cosignproject.cosign/")
_IMAGES: Final = frozenset({"", "image", "imageIndex"})
_SUFFIXES: Final = {"sigs": ".sig", "atts": ".att", "sboms": ".sbom"}
_REFERRERS: Final = "referrers"


class Haul(OciLayout):
    """A store of hauler, or what ``hauler store save`` made of one.

    By default its images go where they came from. Charts and files came from no registry; with ``HOST[/PREFIX]`` all of
    it goes there, as ``hauler store copy`` does it.
    """

    form = "a haul"
    many = True

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one."""
        if not OciLayout.recognizes(files):
            return False
        try:
            descriptors = parse_index(read_small(files, "index.json", MAX_INDEX) or b"", "index.json")
        except TreeError:
            return False
        return any(_annotation(one, _KIND).startswith(_PREFIXES) for one in descriptors)

    def _images(self, descriptors: Sequence[Descriptor]) -> list[ArchivedImage]:
        named = [(descriptor.tag or "", descriptor) for descriptor in descriptors]
        images = {name: descriptor for name, descriptor in named if _kind(descriptor) in _IMAGES}
        return [self._placed(name, descriptor, images.get(name)) for name, descriptor in named if name]

    def _placed(self, name: str, descriptor: Descriptor, image: Descriptor | None) -> ArchivedImage:
        """An entry under the name that it has in a registry; `image` is the one of the same name."""
        where, kind = f"{self.name}: index.json", _kind(descriptor)
        below, tag = split_reference(name, where)
        full = _annotation(descriptor, CONTAINERD_NAME) or (_annotation(image, CONTAINERD_NAME) if image else "")
        repository = split_reference(full, where)[0] if full else ""
        if kind in _SUFFIXES:
            if image is None:
                raise InputError(f"{where}: {kind} of {name[:200]}, which is not in it; expected the image, too")
            tag = image.digest.replace(":", "-") + _SUFFIXES[kind]
        elif kind.partition("/")[0] == _REFERRERS:
            tag = ""
        return ArchivedImage(
            descriptor.digest,
            descriptor.media_type,
            repository,
            tag,
            size=descriptor.size,
            below=below.partition("/")[2],
            optional=not repository,
        )


def _kind(descriptor: Descriptor) -> str:
    """What an entry is: ``image``, ``sigs``, ``referrers/DIGEST``."""
    return _annotation(descriptor, _KIND).partition("/")[2]


def _annotation(descriptor: Descriptor, name: str) -> str:
    return (descriptor.annotations or {}).get(name, "")
