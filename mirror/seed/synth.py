"""Synthetic images in a fixture tree, as recipes and lists of pull specs say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Batch, Tree
from fake_registry.images import MULTI_ARCH, ImageSpec, Template, build, plant
from mirror.errors import InputError
from mirror.reference import InvalidReference, Reference
from mirror.seed.recipe import Recipe

Progress = Callable[[int, int], None]
"""Is told how many of how many images were made."""

_AGE_STEP: Final = timedelta(minutes=1)


class Numbered(msgspec.Struct, frozen=True):
    """Many images of one repository: `count` of them, whose tags are `form` with a number from 1 on for ``{}``.

    The last is the newest, and each other a minute older than the next.
    """

    count: int
    form: str = "v{}"

    def versions(self) -> Iterator[tuple[str, int]]:
        """The tags, and by how many steps each image is older than the last."""
        for number in range(1, self.count + 1):
            yield self.form.replace("{}", str(number)), self.count - number


class Refused(msgspec.Struct, frozen=True):
    """A pull spec that no image can be made for, and why."""

    pull_spec: str
    reason: str


def plant_recipe(tree: Tree, recipe: Recipe, progress: Progress | None = None) -> int:
    """Makes all images of a recipe, or none; returns how many entries of repositories that were, copies counted.

    Raises:
        InputError: a name in the recipe that a tree cannot have.
        ImageError: an image in the recipe that cannot be.
        TreeError: a tree that cannot be written.
    """
    total = sum(entry.length() * (1 + len(entry.also)) for entry in recipe.repositories)
    count = 0
    with Batch(tree) as batch:
        for entry in recipe.repositories:
            places = [_split(place) for place in (entry.image, *entry.also)]
            for spec, tags in entry.specs():
                built = build(spec)
                for host, repository in places:
                    try:
                        plant(batch, host, repository, built, tags)
                    except TreeError as error:
                        raise InputError(f"{host}/{repository}: {error}") from error
                    count += 1
                if progress is not None:
                    progress(count, total)
    return count


def plant_pull_specs(
    tree: Tree,
    pull_specs: Iterable[str],
    platforms: Sequence[str] = MULTI_ARCH,
    template: Template | None = None,
    *,
    numbered: Numbered | None = None,
    progress: Progress | None = None,
) -> list[Refused]:
    """Makes an image for each pull spec, as an index of the platforms, and returns those for which there can be none.

    That are pull specs by digest, because nobody can make content for a given digest, and what is no pull spec.
    Each spec gives the same image whatever others stand beside it. With `numbered` each spec gives as many images as
    that says, whose tags are numbers, and none with its own tag.

    Raises:
        ImageError: an image that cannot be.
        TreeError: a tree that cannot be written.
    """
    fields = {name: getattr(template or Template(), name) for name in Template.__struct_fields__}
    fields |= {"platforms": tuple(platforms), "index": len(platforms) > 1 or numbered is None}
    specs = list(dict.fromkeys(pull_specs))
    count, total = 0, len(specs) * (numbered.count if numbered is not None else 1)
    refused = []
    with Batch(tree) as batch:
        for pull_spec in specs:
            try:
                reference = Reference.parse(pull_spec).docker_client_defaults()
            except InvalidReference as error:
                refused.append(Refused(pull_spec, str(error)))
                continue
            if reference.id:
                refused.append(
                    Refused(pull_spec, "its digest says what the content is, and only the original has that")
                )
                continue
            host, repository = reference.registry, reference.repository_name()
            versions = [(reference.tag, 0)] if numbered is None else numbered.versions()
            for version, age in versions:
                dated = fields | {"created": fields["created"] - age * _AGE_STEP}
                spec = ImageSpec(name=f"{host}/{repository}", version=version, **dated)
                plant(batch, host, repository, build(spec), [version])
                count += 1
                if progress is not None:
                    progress(count, total)
    return refused


def _split(place: str) -> tuple[str, str]:
    host, slash, repository = place.partition("/")
    if not slash:
        raise InputError(f"image: {place!r} has to be HOST/REPOSITORY, such as quay.io/example/web")
    return host, repository
