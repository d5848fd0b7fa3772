"""How many requests copies take, by the shape of what they copy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.registry import HOST, put_image
from support.seeding import upstream
from support.shapes import BEYOND_SKOPEO, SHAPES, put_shapes, put_single

from fake_registry.config import Auth, Fault, FaultAction, FaultMatch, Host
from fake_registry.fixtures import Tree, verify
from mirror.seed.remote.credentials import Login

ALL = SHAPES | BEYOND_SKOPEO
SOME = ("one", "single", "index-2")


@pytest.mark.parametrize("referrers", ["auto", "all"])
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_each_shape_takes_as_many_requests_as_it_has_to(tmp_path: Path, scheme: str, referrers: str) -> None:
    """No ping, no list and no content twice; a registry in clear text is found out without a request."""
    tree = Tree.open(tmp_path / "origin", create=True)
    put_shapes(tree, SHAPES, BEYOND_SKOPEO)
    sources = [f"{HOST}/{name}" for name in ALL]
    async with upstream(tree, hosts={HOST: Host(scheme=scheme)}) as registry:  # type: ignore[arg-type]
        reach = {"insecure": scheme == "http"}
        done = await registry.copy(tmp_path / "target", *sources, referrers=referrers, reach=reach)
        took = Counter(one.repository for one in registry.journal)
    assert done.failed == 0
    came, unasked = Counter(dict.fromkeys(ALL, 0)), Counter(dict.fromkeys(ALL, 0))
    for one in done.images:
        name = one.image.partition("/")[2].partition(":")[0]
        came[name] += one.referrers
        unasked[name] += one.unasked_indexes
    everything = referrers == "all"
    assert took == {name: one.requests_all if everything else one.requests for name, one in ALL.items()}
    assert came == {name: one.referrers[everything] for name, one in ALL.items()}
    assert unasked == {name: 0 if everything else one.unasked for name, one in ALL.items()}
    assert done.unasked_indexes == unasked.total()
    assert list(verify(Tree.open(tmp_path / "target"), complete=True)) == []


@pytest.mark.parametrize(("kind", "more"), [("basic", 1), ("bearer", 2)])
async def test_a_login_costs_one_challenge_and_one_token(tmp_path: Path, kind: str, more: int) -> None:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_shapes(tree, SHAPES)
    hosts = {HOST: Host(auth=Auth(type=kind, username="me", password="secret"))}  # type: ignore[arg-type]
    took = {}
    async with upstream(tree, hosts=hosts) as registry:
        for name in SOME:
            before = registry.core.journal.total
            await registry.copy(tmp_path / name, f"{HOST}/{name}", logins={HOST: Login("me", "secret")})
            took[name] = registry.core.journal.total - before
    assert took == {name: SHAPES[name].requests + more for name in SOME}


async def test_a_registry_without_lists_of_referrers_is_asked_once(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_shapes(tree, SHAPES)
    fault = Fault(match=FaultMatch(kind="referrers"), action=FaultAction(status=404, body="404 page not found"))
    took, lists = {}, {"one": 0, "single": 2, "index-2": 1}
    async with upstream(tree, [fault]) as registry:
        for name in SOME:
            before = registry.core.journal.total
            done = await registry.copy(tmp_path / name, f"{HOST}/{name}", referrers="all")
            assert done.unasked_indexes == 0
            took[name] = registry.core.journal.total - before
    assert took == {name: SHAPES[name].requests - lists[name] for name in SOME}


async def test_a_dry_run_asks_for_the_same_referrers(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_shapes(tree, BEYOND_SKOPEO)
    async with upstream(tree) as registry:
        for name, shape in BEYOND_SKOPEO.items():
            for referrers in ("auto", "all"):
                target = tmp_path / f"{name}-{referrers}"
                done = await registry.copy(target, f"{HOST}/{name}", referrers=referrers, dry_run=True)
                assert done.images[0].referrers == shape.referrers[referrers == "all"]
                assert done.unasked_indexes == (shape.unasked if referrers == "auto" else 0)


async def test_what_came_without_referrers_of_platforms_gets_them_later(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_shapes(tree, BEYOND_SKOPEO)
    target = tmp_path / "target"
    async with upstream(tree) as registry:
        first = await registry.copy(target, f"{HOST}/signed-below")
        second = await registry.copy(target, f"{HOST}/signed-below", referrers="all", refresh=True)
        third = await registry.copy(target, f"{HOST}/signed-below", refresh=True)
    assert [(one.images[0].status, one.images[0].referrers) for one in (first, second, third)] == [
        ("copied", 0),
        ("copied", 2),
        ("unchanged", 0),
    ]
    assert [one.unasked_indexes for one in (first, second, third)] == [1, 0, 1]


async def test_tags_of_one_image_wait_for_what_belongs_to_it(tmp_path: Path) -> None:
    """Where it cannot be had for the first tag, the second one does not pass for complete: it asks again."""
    tree = Tree.open(tmp_path / "origin", create=True)
    put_single(tree, "app", "a", "b")
    fault = Fault(match=FaultMatch(kind="referrers"), action=FaultAction(status=403), times=2)
    async with upstream(tree, [fault]) as registry:
        done = await registry.copy(tmp_path / "target", f"{HOST}/app")
        assert [one.status for one in done.images] == ["failed", "failed"]
        assert len(registry.asked("referrers")) == 2
        assert (await registry.copy(tmp_path / "target", f"{HOST}/app")).copied == 2


async def test_an_image_that_is_named_costs_the_list_of_tags_once(tmp_path: Path) -> None:
    """Signatures are found by tags; who says that none are wanted pays for nothing but the image."""
    tree = Tree.open(tmp_path / "origin", create=True)
    digests = [put_image(tree, "app", tag, b'{"tag":"%s"}' % tag.encode(), []).digest for tag in ("a", "b")]
    sources = [f"{HOST}/app:a", f"{HOST}/app@{digests[1]}"]
    async with upstream(tree) as registry:
        await registry.copy(tmp_path / "target", *sources)
        assert [one.kind for one in registry.journal].count("tags") == 1
        assert len(registry.journal) == 1 + 2 * (1 + 1 + 1)
        await registry.copy(tmp_path / "none", *sources, referrers="none")
        assert len(registry.journal) == 7 + 2 * (1 + 1)
