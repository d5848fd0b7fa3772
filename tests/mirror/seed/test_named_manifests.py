"""The compact tables of what a repository names, held against dictionaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_registry.oci import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, TAG_ANNOTATION, Descriptor, compute_digest
from mirror.seed import named_manifests
from mirror.seed.named_manifests import NamedManifests

DIGESTS = [compute_digest(b"%d" % number, algorithm) for number in range(6) for algorithm in ("sha256", "sha512")]
TAGS = ["a", "b", "latest", "", "é", "v" * 128]

descriptors = st.builds(
    Descriptor,
    digest=st.sampled_from(DIGESTS),
    media_type=st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, ""]),
    annotations=st.none() | st.sampled_from(TAGS).map(lambda tag: {TAG_ANNOTATION: tag}),
)


@pytest.mark.parametrize("run", [1, 3, 4096])
@given(entries=st.lists(descriptors, max_size=20))
def test_the_first_entry_counts(run: int, entries: list[Descriptor]) -> None:
    tagged: dict[str, tuple[str, str]] = {}
    listed: dict[str, str] = {}
    for one in entries:
        listed.setdefault(one.digest, one.media_type)
        if one.tag is not None:
            tagged.setdefault(one.tag, (one.digest, one.media_type))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named_manifests, "_RUN", run)
        found = NamedManifests(iter(entries))
    for tag in TAGS:
        known = found.tagged(tag)
        assert (None if known is None else (known.digest, known.media_type)) == tagged.get(tag)
    for digest in DIGESTS:
        known = found.listed(digest)
        assert (None if known is None else known.media_type) == listed.get(digest)


def test_nothing_is_found_in_nothing() -> None:
    found = NamedManifests()
    assert (found.tagged("a"), found.listed(DIGESTS[0])) == (None, None)
