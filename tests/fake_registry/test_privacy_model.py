"""Whatever a client pushes, uploads, mounts and deletes in one repository, it does not get at content of another."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.registry import HOST, describe, image, index, put_image

from fake_registry.fixtures import Snapshot, Tree, Uploads, mount_blob, push_manifest, verify
from fake_registry.oci import (
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    compute_digest,
    manifest_digest,
)

SECRETS = [b"secret", b'{"secret":true}']
SECRET_IMAGE = image(SECRETS[1], [SECRETS[0]])
SECRET_DIGESTS = [compute_digest(data) for data in SECRETS]
TYPES = [OCI_MANIFEST, OCI_INDEX, "", "application/octet-stream"]

# What the client has the bytes of: manifests that lead to the secret among them.
KNOWN = [SECRET_IMAGE, index(SECRET_IMAGE), image(b"{}", [SECRETS[0]]), image(b"{}", [SECRET_IMAGE]), b"{}", b"layer"]


def descriptors(digests: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda digest, media_type: {"digest": digest, "mediaType": media_type, "size": 1},
        st.sampled_from(digests),
        st.sampled_from(TYPES),
    )


REFERENCES = descriptors(SECRET_DIGESTS + [compute_digest(data) for data in KNOWN])
DOCUMENTS = st.fixed_dictionaries(
    {"schemaVersion": st.just(2)},
    optional={
        "config": REFERENCES,
        "layers": st.lists(REFERENCES, max_size=2),
        "manifests": st.lists(REFERENCES, max_size=3),
        "Manifests": st.lists(REFERENCES, max_size=1),
        "subject": REFERENCES,
        "fsLayers": st.lists(st.sampled_from(SECRET_DIGESTS).map(lambda digest: {"blobSum": digest}), max_size=1),
    },
)


class Attack(RuleBasedStateMachine):
    """The repository ``public`` in the hands of a client that knows all digests, and ``private`` beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.tree = Tree.open(Path(self.directory.name))
        self.reader = Tree.open(Path(self.directory.name))
        put_image(self.tree, "private", "v1", SECRETS[1], [SECRETS[0]])
        put_image(self.tree, "public", "v1")
        self.tree.put_manifest(HOST, "private", index(SECRET_IMAGE), OCI_INDEX, "list")
        self.pushed = [image()]

    def teardown(self) -> None:
        self.directory.cleanup()

    def snapshot(self, tree: Tree) -> Snapshot:
        snapshot = tree.snapshot(HOST, "public")
        assert snapshot is not None
        return snapshot

    @rule(
        data=st.sampled_from(KNOWN[:4]) | DOCUMENTS.map(lambda document: json.dumps(document).encode()),
        media_type=st.sampled_from([*TYPES, DOCKER_SCHEMA1_SIGNED]),
        tag=st.sampled_from([None, "a", "b"]),
    )
    def push(self, data: bytes, media_type: str, tag: str | None) -> None:
        digest = push_manifest(self.tree, HOST, "public", data, media_type, tag).descriptor.digest
        assert digest == manifest_digest(data, media_type)
        self.pushed.append(data)
        assert self.snapshot(self.tree).manifest(digest) is not None

    @rule(data=st.sampled_from(KNOWN))
    def upload(self, data: bytes) -> None:
        digest = compute_digest(data)
        with Uploads(self.tree.store).begin(HOST, "public") as upload:
            upload.write(data)
            upload.commit(digest)
        self.tree.remember_blob(HOST, "public", digest)
        assert self.snapshot(self.tree).blob(digest) is not None

    @rule(data=st.data())
    def upload_what_was_pushed(self, data: st.DataObject) -> None:
        self.upload(data.draw(st.sampled_from(self.pushed)))

    @rule(data=st.data())
    def delete_manifest(self, data: st.DataObject) -> None:
        digest = compute_digest(data.draw(st.sampled_from([*self.pushed, *KNOWN])))
        self.tree.delete_manifest(HOST, "public", digest)
        assert self.snapshot(self.tree).manifest(digest) is None

    @rule(data=st.data())
    def delete_blob(self, data: st.DataObject) -> None:
        digest = compute_digest(data.draw(st.sampled_from([*self.pushed, *KNOWN])))
        self.tree.delete_blob(HOST, "public", digest)
        assert self.snapshot(self.tree).blob(digest) is None

    @rule(data=st.sampled_from([*KNOWN, *SECRETS]))
    def mount_from_itself(self, data: bytes) -> None:
        if self.snapshot(self.tree).blob(compute_digest(data)) is not None:
            mount_blob(self.tree, HOST, "public", "public", compute_digest(data))

    @invariant()
    def nothing_leaks(self) -> None:
        fresh = Tree.open(Path(self.directory.name))
        for tree in (self.tree, self.reader, fresh):
            snapshot = self.snapshot(tree)
            for descriptor in list(snapshot.listed.values()):
                snapshot.read_manifest(descriptor)
            for digest in SECRET_DIGESTS:
                assert not snapshot.has_blob(digest)
                assert snapshot.blob(digest) is None
                assert snapshot.manifest(digest) is None
        assert {problem.kind for problem in verify(fresh)} <= {"manifest", "size"}

    @invariant()
    def the_others_keep_what_they_have(self) -> None:
        private = self.reader.snapshot(HOST, "private")
        assert private is not None
        assert all(private.blob(digest) is not None for digest in SECRET_DIGESTS)
        assert private.resolve("v1") == Descriptor(
            media_type=OCI_MANIFEST,
            digest=compute_digest(SECRET_IMAGE),
            size=len(SECRET_IMAGE),
            annotations={"org.opencontainers.image.ref.name": "v1"},
        )
        assert describe(SECRET_IMAGE, OCI_MANIFEST).digest in {item.digest for item in private.manifests()}


TestAttack = Attack.TestCase
TestAttack.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
