"""Synthetic images in a fixture tree, as recipes and lists of pull specs say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.images import MULTI_ARCH, ImageSpec, Template, build, plant
from mirror.errors import InputError
from mirror.reference import InvalidReference, Reference
from mirror.seed.recipe import Recipe


class Refused(msgspec.Struct, frozen=True):
    """A pull spec that no image can be made for, and why."""

    pull_spec: str
    reason: str


def plant_recipe(tree: Tree, recipe: Recipe) -> int:
    """Makes all images of a recipe; returns how many entries of repositories that were, copies counted.

    Raises:
        InputError: a name in the recipe that a tree cannot have.
        ImageError: an image in the recipe that cannot be.
        TreeError: a tree that cannot be written.
    """
    count = 0
    for entry in recipe.repositories:
        places = [_split(place) for place in (entry.image, *entry.also)]
        for spec, tags in entry.specs():
            built = build(spec)
            for host, repository in places:
                try:
                    plant(tree, host, repository, built, tags)
                except TreeError as error:
                    raise InputError(f"{host}/{repository}: {error}") from error
                count += 1
    return count


def plant_pull_specs(
    tree: Tree,
    pull_specs: Iterable[str],
    platforms: Sequence[str] = MULTI_ARCH,
    template: Template | None = None,
) -> list[Refused]:
    """Makes an image for each pull spec, as an index of the platforms, and returns those for which there can be none.

    That are pull specs by digest, because nobody can make content for a given digest, and what is no pull spec.
    Each spec gives the same image whatever others stand beside it.

    Raises:
        TreeError: a tree that cannot be written.
    """
    fields = {name: getattr(template or Template(), name) for name in Template.__struct_fields__}
    fields |= {"platforms": tuple(platforms), "index": True}
    refused = []
    for pull_spec in dict.fromkeys(pull_specs):
        try:
            reference = Reference.parse(pull_spec).docker_client_defaults()
        except InvalidReference as error:
            refused.append(Refused(pull_spec, str(error)))
            continue
        if reference.id:
            refused.append(Refused(pull_spec, "its digest says what the content is, and only the original has that"))
            continue
        host, repository = reference.registry, reference.repository_name()
        spec = ImageSpec(name=f"{host}/{repository}", version=reference.tag, **fields)
        plant(tree, host, repository, build(spec), [reference.tag])
    return refused


def _split(place: str) -> tuple[str, str]:
    host, slash, repository = place.partition("/")
    if not slash:
        raise InputError(f"image: {place!r} has to be HOST/REPOSITORY, such as quay.io/example/web")
    return host, repository
