"""``ismirror seed``: filling a fixture tree."""

from __future__ import annotations

import typer

from mirror.cli.archives import archive
from mirror.cli.seed_copy import copy
from mirror.cli.seed_push import push
from mirror.cli.seed_streams import streams
from mirror.cli.synth import synth

app = typer.Typer(help="Fills a fixture tree, and registries from one.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Fills a fixture tree, and registries from one."""


app.command(epilog="Example: ismirror seed synth data/recipe.yaml --data data/tree")(synth)
app.command(epilog="Example: ismirror seed archive web.tar --as quay.io/example/web --data tree")(archive)
app.command(epilog="Example: ismirror seed copy quay.io/example/web --semver '>=2' --data data/tree")(copy)
app.command(epilog="Example: ismirror seed streams streams/ images.txt --metadata-only --data data/tree")(streams)
app.command(epilog="Example: ismirror seed push data/tree registry.example.com:5000 --mirror-sets out")(push)
