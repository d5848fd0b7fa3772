"""Which bundles were applied to a tree: a list in the tree, by which one that skips its base is recognised.

Content alone does not show it: a bundle may do nothing but take tags away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.fixtures.disk import read_file, reported, write_file
from fake_registry.fixtures.layout import APPLIED, json_text
from fake_registry.oci import NOT_JSON
from mirror.seed.bundles.records import Base

_LONGEST: Final = 1000
_LARGEST: Final = 1 << 20


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle, and the state that a tree was in when it was applied."""

    bundle: str
    state: str


class _File(msgspec.Struct):
    applied: list[Step] = []


def steps(tree: Tree) -> list[Step]:
    """The bundles that were applied to a tree, the newest last.

    Raises:
        TreeError: the list is damaged.
    """
    content = read_file(str(tree.root / APPLIED), str(tree.root), _LARGEST)
    if content is None:
        return []
    try:
        return msgspec.json.decode(content[0], type=_File).applied
    except NOT_JSON as error:
        raise TreeError(f"{APPLIED}: {error}; expected the bundles that were applied; without it nobody asks") from None


def add_step(tree: Tree, step: Step) -> None:
    """Takes note of a bundle, unless it is the newest already (raises `TreeError`)."""
    found = steps(tree)
    if found[-1:] == [step]:
        return
    data = json_text(_File([*(one for one in found if one != step), step][-_LONGEST:]))
    with reported(tree.root):
        write_file(Path(tree.root / APPLIED), data)


def leads_to(found: list[Step], base: Base) -> bool:
    """Whether what was applied to a tree leads to the base of another bundle: that bundle, or its state at last."""
    return any(one.bundle == base.bundle for one in found) or (bool(found) and found[-1].state == base.state)
