"""A tree under random changes behaves as a dictionary of tags and a set of manifests would."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.registry import HOST, image

from fake_registry.fixtures import Tree, collect_garbage, verify
from fake_registry.oci import OCI_MANIFEST, compute_digest

TAGS = st.sampled_from(["latest", "v1", "v2"])
NUMBERS = st.integers(0, 3)


class Repository(RuleBasedStateMachine):
    """One repository, changed by one tree and read by another."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        root = Path(self.directory.name)
        self.writer, self.reader = Tree.open(root), Tree.open(root)
        self.tags: dict[str, str] = {}
        self.manifests: set[str] = set()
        self.made = False

    def teardown(self) -> None:
        self.directory.cleanup()

    @rule(number=NUMBERS, tags=st.lists(TAGS, max_size=3))
    def put(self, number: int, tags: list[str]) -> None:
        config = str(number).encode()
        self.writer.put_blob(config)
        digest = self.writer.put_manifest(HOST, "app", image(config), OCI_MANIFEST, tags).digest
        self.tags.update(dict.fromkeys(tags, digest))
        self.manifests.add(digest)
        self.made = True

    @rule(tag=TAGS)
    def delete_tag(self, tag: str) -> None:
        assert self.writer.delete_tag(HOST, "app", tag) == (self.tags.pop(tag, None) is not None)

    @rule(number=NUMBERS)
    def delete_manifest(self, number: int) -> None:
        digest = compute_digest(image(str(number).encode()))
        assert self.writer.delete_manifest(HOST, "app", digest) == (digest in self.manifests)
        self.manifests.discard(digest)
        self.tags = {tag: tagged for tag, tagged in self.tags.items() if tagged != digest}

    @rule()
    def collect(self) -> None:
        list(collect_garbage(self.writer, grace=0))

    @invariant()
    def same(self) -> None:
        snapshot = self.reader.snapshot(HOST, "app")
        assert (snapshot is not None) == self.made
        if snapshot is not None:
            assert {tag: descriptor.digest for tag, descriptor in snapshot.tags.items()} == self.tags
            assert {descriptor.digest for descriptor in snapshot.manifests()} == self.manifests
            assert len(snapshot.entries) == len(self.tags) + len(self.manifests - set(self.tags.values()))
            for descriptor in snapshot.entries:
                assert snapshot.read_manifest(descriptor) is not None
        assert list(verify(self.reader)) == []


TestRepository = Repository.TestCase
TestRepository.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
