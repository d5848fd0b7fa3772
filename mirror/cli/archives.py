"""``ismirror seed archive`` and ``ismirror data export``: what other tools write, in, and what they read, out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import DataOption, MetadataOnlyOption
from mirror.cli.output import Format, OutputOption, print_document, print_table
from mirror.cli.progress import progress
from mirror.cli.sizes import counted, size_text


def archive(
    sources: Annotated[list[Path], typer.Argument(metavar="ARCHIVE...", help="Files and directories.")],
    data: DataOption,
    name: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Where the images go: HOST/REPOSITORY[:TAG], or HOST[/PREFIX] for archives of many repositories.",
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="oci, docker-archive, dir, v2, distribution, oc-mirror or haul; else found out.",
        ),
    ] = "",
    metadata_only: MetadataOnlyOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Fills a tree from archives of other tools.

    These are OCI layouts and oci-archives, docker-archives, skopeo's dir:, the v2/ tree of oc image mirror, the storage
    tree of distribution's registry, archives of oc-mirror, hauls of hauler, packages of zarf. Of an archive in several
    files any one stands for all, which have to lie side by side.
    """
    from fake_registry.fixtures import Tree
    from mirror.errors import InputError
    from mirror.seed.archives.importing import import_images
    from mirror.seed.archives.naming import placed_images
    from mirror.seed.archives.opening import FORMATS, opened_archive
    from mirror.seed.archives.volumes import all_volumes

    if form and form not in FORMATS:
        raise InputError(f"--format: {form!r} is not one of {', '.join(FORMATS)}")
    archives = all_volumes(sources)
    tree = Tree.open(data, create=True)
    imported = []
    for source in archives:
        with opened_archive(source, form, tree.root) as opened, progress(f"Importing {source.name}") as tell:
            images = opened.images()
            placed = placed_images(opened, images, name)
            came = import_images(tree, opened, placed, metadata_only=metadata_only, progress=tell)
        imported += came
        files = f" in {counted(len(source.paths), 'file')}" if len(source.paths) > 1 else ""
        note(f"{source.name}: {opened.form}{files}, {counted(len(came), 'image')}")
        if len(placed) < len(images):
            left = counted(len(images) - len(placed), "artifact")
            note(f"{source.name}: {left} without a registry left out; --as HOST takes all")
        if len(came) < len(placed):
            gone = counted(len(placed) - len(came), "image")
            note(f"{source.name}: {gone} of archives before it left out: neither in it nor in the tree")
        if opened.new_digests:
            note(f"{source.name}: holds no registry manifests; the digests below are new, image IDs are not")
    if output is not Format.TABLE:
        print_document(imported, output)
        return
    rows = (
        (one.image, one.digest, one.blobs, size_text(one.bytes), one.absent_layers, one.absent_manifests)
        for one in imported
    )
    print_table(("IMAGE", "DIGEST", "NEW BLOBS", "NEW CONTENT", "LAYERS NOT HERE", "MANIFESTS NOT HERE"), rows)


def export(
    names: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Pull specs, by tag or digest.")],
    data: DataOption,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT:PATH", help="oci, oci-archive, docker-archive or dir, and a new file or directory."
        ),
    ],
    repository: Annotated[
        bool, typer.Option("--repository", help="The names are repositories: all their tags are meant.")
    ] = False,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tags", metavar="GLOB", help="Of repositories only tags that match; may be repeated."),
    ] = None,
    platform: Annotated[
        str, typer.Option(metavar="OS/ARCH", help="The image of one platform instead of an index.")
    ] = "",
    metadata_only: MetadataOnlyOption = False,
    convert: Annotated[
        bool, typer.Option("--convert", help="OCI's media types in place of Docker's. Digests are new then.")
    ] = False,
) -> None:
    """Writes images of a tree for other tools. Manifests stay as they are, and so do digests.

    A docker-archive holds no indexes (--platform, linux/amd64 by default, says which image is meant) and no manifests.
    """
    from fake_registry.fixtures import Tree
    from mirror.errors import InputError
    from mirror.seed.archives.closure import closure_of, converted, one_platform, require_layers
    from mirror.seed.archives.exporting import FORMS, write_archive
    from mirror.seed.selection import all_of, selected

    form, colon, path = to.partition(":")
    if form not in FORMS or not colon or not path:
        raise InputError(f"--to: {to!r}: expected one of {', '.join(f'{one}:PATH' for one in FORMS)}")
    if form == "docker-archive" and metadata_only:
        raise InputError("--metadata-only: a docker-archive is made of layers; take oci, oci-archive or dir")
    tree = Tree.open(data)
    images = (
        [image for name in names for image in all_of(tree, name, tags or [])]
        if repository
        else [selected(tree, name) for name in names]
    )
    closures = [closure_of(image, metadata_only=metadata_only) for image in images]
    if platform or form == "docker-archive":
        closures = [one_platform(closure, platform or "linux/amd64") for closure in closures]
    for closure in closures:
        require_layers(closure)
    if convert:
        closures = [converted(closure) for closure in closures]
    with progress("Exporting") as tell:
        write_archive(form, Path(path), closures, tell)
    for closure in closures:
        typer.echo(f"{closure.image}  {closure.root.descriptor.digest}")
