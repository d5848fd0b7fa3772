"""An administrator who has nothing but the remedy that preflight prints, and does what a part of it says.

Each action finds its part of the remedy by a pattern, and takes from it every name that it uses. Commands are run as
they are printed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from fake_registry import FakeRegistry
from mirror.cli.application import app
from mirror.preflight.explaining import explain
from support.preflight_world import (
    APP,
    BOTH,
    MIRROR,
    SECOND,
    Setup,
    image_config,
    mirrors,
    question_on,
    secret,
    stream,
    tag,
)

Change = Callable[[Setup, re.Match[str]], Setup]


@dataclass(frozen=True)
class Action:
    """What is done about the part of a remedy that the pattern finds; with `runs`, after the commands in it."""

    pattern: str
    change: Change
    runs: bool = False

    async def follow(self, remedy: str, setup: Setup, folder: Path) -> Setup:
        """The set-up as it is when that is done."""
        found = re.search(self.pattern, remedy)
        assert found is not None, (self.pattern, remedy)
        if self.runs:
            await run_printed(found["commands"], folder, beside=setup.tree)
        return self.change(setup, found)


# Commands


async def run_printed(commands: str, folder: Path, *, beside: bool) -> None:
    """Runs ``ismirror … && ismirror …`` where the registries that are connected have the image and a mirror is there.

    They are reached under their own names, as a proxy; what is pushed stays in the tree of the folder, unless the
    connected registries have a tree of their own `beside` that.
    """
    place = folder / ("connected" if beside else "tree")
    async with FakeRegistry(place, hosts={"quay.io": {}, MIRROR: {}, SECOND: {}}) as registry:
        registry.push_image(APP, platforms=BOTH)
        environment = {**registry.environment(), "REGISTRY_AUTH_FILE": "none.json"}
        workplace = folder / "workplace"
        await asyncio.to_thread(workplace.mkdir, exist_ok=True)
        await asyncio.to_thread(_run, commands, workplace, environment)


def _run(commands: str, workplace: Path, environment: Mapping[str, str]) -> None:
    words = shlex.split(commands)
    with chdir(workplace):
        (workplace / "none.json").write_text("{}")
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            assert command[0] == "ismirror"
            outcome = CliRunner().invoke(app, command[1:], env=environment)
            assert outcome.exit_code == 0, (command, outcome.output, outcome.exception)


COMMANDS = r"(?P<commands>ismirror seed copy .*)$"

# The policy


def _changed(setup: Setup, old: str, new: str) -> Setup:
    """The policy with one text in place of another."""
    assert json.dumps(old)[1:-1] in json.dumps(setup.policy)
    return replace(setup, policy=tuple(json.loads(json.dumps(setup.policy).replace(old, new))))


def _unblock(setup: Setup, found: re.Match[str]) -> Setup:
    policy = json.loads(json.dumps(setup.policy))
    for one in policy:
        one["spec"]["registrySources"]["blockedRegistries"].remove(found[1])
    return replace(setup, policy=tuple(policy))


def _allow(setup: Setup, found: re.Match[str]) -> Setup:
    policy = json.loads(json.dumps(setup.policy))
    for one in policy:
        if "allowedRegistriesForImport" in one.get("spec", {}):
            one["spec"]["allowedRegistriesForImport"].append(yaml.safe_load(found[1]))
    return replace(setup, policy=tuple(policy))


def _add_rule(setup: Setup, found: re.Match[str]) -> Setup:
    if found["named"]:
        setup = _name_host(setup, found["named"])
    rule = mirrors(found["kind"], found["source"], found["mirror"], name="new")
    return replace(setup, policy=(*setup.policy, rule), images=())


def _name_host(setup: Setup, host: str) -> Setup:
    (listed,) = [one for one in setup.policy if "hosts" in one]
    kept = tuple(one for one in setup.policy if one is not listed)
    return replace(setup, policy=(*kept, {"hosts": {**listed["hosts"], host: {}}}))


def _mirror_it(setup: Setup, found: re.Match[str]) -> Setup:
    """Another mirror, below which the repository keeps its path."""
    repository, kind, scope = found.groups()
    assert repository.startswith(scope)
    place = f"{SECOND}/{scope.replace(':', '-')}"
    rule = mirrors(kind, scope, place, name="second")
    images = (f"{place}{repository.removeprefix(scope)}:1={APP}",)
    return replace(setup, policy=(*setup.policy, rule), hosts={**setup.hosts, SECOND: {}}, images=images)


def _mirror_registry(setup: Setup, found: re.Match[str]) -> Setup:
    rule = mirrors("ImageDigestMirrorSet", found[1], f"{MIRROR}/{found[1]}")
    return replace(setup, policy=(*setup.policy, rule))


MIRROR_REGISTRY = Action(r"add a mirror set with source (\S+?):", _mirror_registry)
UNBLOCK = Action(r"Take (\S+) out of blockedRegistries", _unblock)
ALLOW = Action(r"Add (\{.*\}) to allowedRegistriesForImport", _allow)
REWRITE_MIRROR = Action(r"write (\S+) in place of (\S+):", lambda setup, found: _changed(setup, found[2], found[1]))
ADD_RULE = Action(
    r"(?:Name (?P<named>\S+) under hosts of the policy\. )?"
    r"Add an (?P<kind>\w+) with source (?P<source>\S+) and mirror (?P<mirror>\S+),.*: " + COMMANDS,
    _add_rule,
    runs=True,
)
COPY = Action(
    r"(?:Mirror|[Cc]opy the image) .*: " + COMMANDS,
    lambda setup, found: replace(setup, images=(), damaged=""),
    runs=True,
)
MIRROR_IT = Action(r"or mirror (\S+) elsewhere and add an (\w+) with source (\S+)\.(?: |$)", _mirror_it)
NAME_HOST = Action(r"Name (\S+) under hosts of the policy", lambda setup, found: _name_host(setup, found[1]))
RAISE_LIMIT = Action(
    r"raise maxImagesBulkImportedPerRepository above (\d+)",
    lambda setup, found: replace(
        setup, policy=({"cluster": {"maxImagesBulkImportedPerRepository": int(found[1]) + 1}},)
    ),
)
INSECURE_REGISTRY = Action(
    r"add (\S+) to registrySources.insecureRegistries",
    lambda setup, found: replace(
        setup, policy=(*setup.policy, image_config(registrySources={"insecureRegistries": [found[1]]}))
    ),
)

# Secrets


def _create_secret(setup: Setup, found: re.Match[str]) -> Setup:
    words = found[1].replace("username=…", "username=me").replace("password=…", "password=pass").split()
    options = dict(word.lstrip("-").split("=", 1) for word in words if "=" in word)
    assert (options["docker-username"], options["docker-password"]) == ("me", "pass")
    made = secret(
        options["docker-server"], options["docker-password"], name="new", namespace=words[words.index("-n") + 1]
    )
    return replace(setup, policy=(*setup.policy, made))


def _add_login(setup: Setup, found: re.Match[str]) -> Setup:
    return replace(setup, policy=(*setup.policy, secret(found[1], name="new", namespace=found[2])))


def _grant(setup: Setup, found: re.Match[str]) -> Setup:
    host, _, repository = found[2].partition("/")
    denied = {"host": host, "repository": repository, "user": found[1]}
    kept = tuple(one for one in setup.faults if {key: one[key] for key in denied} != denied)
    return replace(setup, faults=kept)


def _delete_secret(setup: Setup, found: re.Match[str]) -> Setup:
    names = [(one["metadata"]["name"], one["metadata"]["namespace"]) for one in setup.policy]
    kept = tuple(one for one, name in zip(setup.policy, names, strict=True) if name != found.groups())
    return replace(setup, policy=kept)


def _global_secret(setup: Setup, found: re.Match[str]) -> Setup:
    login = json.loads(base64.b64decode(secret(found[1])["data"][".dockerconfigjson"]))
    return replace(setup, policy=(*setup.policy, login))


def _login_of(user: str) -> Change:
    """The login that is named gets another user, or is taken out."""

    def change(setup: Setup, found: re.Match[str]) -> Setup:
        kept = tuple(one for one in setup.policy if one["metadata"]["name"] != found[2])
        assert len(kept) < len(setup.policy)
        return replace(setup, policy=(*kept, *([secret(found[1], user=user, name=found[2])] if user else [])))

    return change


CREATE_SECRET = Action(r"(oc create secret docker-registry .*)$", _create_secret)
ADD_LOGIN = Action(r"add a login that (\S+) allows more to a pull secret in the namespace (\S+?),", _add_login)
GLOBAL_SECRET = Action(r"Add a login for (\S+) to .*, or to the cluster's own one", _global_secret)
CORRECT_LOGIN = Action(r"Correct the login for (\S+) in secret (\S+?),", _login_of("me"))
OTHER_LOGIN = Action(CORRECT_LOGIN.pattern, _login_of("you"))
FILL_LOGIN = Action(r"Give the login for (\S+) in secret (\S+) a user name and a password", _login_of("me"))
DROP_LOGIN = Action(r"Give the login for (\S+) in secret (\S+) .*, or take it out", _login_of(""))
LOGIN_THAT_MAY = Action(
    r"Add a login for (\S+) that may pull \S+ to a pull secret",
    lambda setup, found: replace(setup, policy=(*setup.policy, secret(found[1]))),
)
CORRECT_SECRET = Action(
    r"Correct the secret (\S+) of the namespace (\S+),",
    lambda setup, found: replace(setup, policy=(secret(name=found[1], namespace=found[2]),)),
)
GRANT = Action(r"let (\S+) pull (\S+) there", _grant)
DELETE_SECRET = Action(r"Correct the secret (\S+) of the namespace (\S+), or delete it", _delete_secret)

# Registries


def _put(**options: Any) -> Change:
    """The registry that is named is there, and as a registry has to be."""

    def change(setup: Setup, found: re.Match[str]) -> Setup:
        hosts = {**setup.hosts, found[1]: options}
        far = tuple(one for one in setup.far if one != found[1])
        return replace(setup, hosts=hosts, far=far, impostor="" if found[1] == "quay.io" else setup.impostor)

    return change


def _push(setup: Setup, found: re.Match[str]) -> Setup:
    return replace(setup, images=(*setup.images, found[1]), damaged="")


TRUST = Action(
    r"under the key (\S+), into the ConfigMap of spec.additionalTrustedCA",
    lambda setup, found: replace(setup, ca=f"map:{found[1]}"),
)
CERTIFICATE_FOR = Action(r"Give the registry a certificate for (\S+?),", _put())
RENEW = Action(r"Renew the certificate of (\S+?),", _put())
TLS = Action(
    r"Let (\S+) speak TLS 1\.2 or 1\.3",
    lambda setup, found: replace(
        setup, faults=tuple(one for one in setup.faults if "tls" not in one or one["host"] != found[1])
    ),
)
USE_TLS = Action(r"Give (\S+) a certificate,", _put(scheme="https"))
OTHER_NAME = Action(
    r"or call it by a name that is in its certificate",
    lambda setup, found: replace(
        setup,
        hosts={"other.example.com": {}},
        images=("other.example.com/team/app:1",),
        tags=(tag(source="other.example.com/team/app:1"),),
        impostor="",
    ),
)
NAME_KNOWN = Action(r"Give --against (\S+)=URL if the cluster reaches it", _put())
NAME_KNOWN_COPIED = Action(
    NAME_KNOWN.pattern,
    lambda setup, found: replace(_put()(setup, found), images=(f"{found[1]}/team/app:1",)),
)
LET_REACH = Action(
    NAME_KNOWN.pattern,
    lambda setup, found: replace(
        setup,
        hosts={
            **setup.hosts,
            found[1]: {
                "routes": [
                    {"path": "/token?scope=repository%3Ateam%2Fapp%3Apull&service=quay.io", "body": '{"token": "x"}'},
                    {"path": "/v2/"},
                ]
            },
        },
    ),
)
WAY = Action(r"Let the control plane reach (\S+?),", _put())
START_IT = Action(r"Start the registry at (\S+?),", _put())
FIREWALL = Action(r"Open the way to (\S+) in the firewall", _put())
LEAD = Action(r"Let (\S+) lead to the registry", _put())
PUSH = Action(r"[Pp]ush the image (\S+?)(?:,|\.$| )", _push)
AGAIN = Action(r"Import again", lambda setup, found: replace(setup, asked=2))

# Image streams


def _correct_field(setup: Setup, found: re.Match[str]) -> Setup:
    """A field that is named by the tag's place or name gets the first value that is valid, or is taken out."""
    where, problem = found.groups()
    place, _, path = re.fullmatch(r"spec\.(?:images|tags)\[(\w+)\](\.)(.*)", where).groups()  # type: ignore[union-attr]
    tags = json.loads(json.dumps(setup.tags))
    one = tags[int(place)] if ".images[" in where else next(each for each in tags if each["name"] == place)
    *way, last = path.split(".")
    for step in way:
        one = one[step]
    valid = re.search(r"valid (?:modes|values) are .*?'(\w+)'", problem)
    one.pop(last, None)
    if valid is not None:
        one[last] = valid[1]
    return replace(setup, tags=tuple(tags))


def _follow_image(setup: Setup, found: re.Match[str]) -> Setup:
    """The last of the tags that are named follows an image."""
    name = re.split(r", | and ", found[1])[-1].rpartition(":")[2]
    return replace(setup, tags=tuple(tag(name) if one["name"] == name else one for one in setup.tags))


def _give_stream(setup: Setup, found: re.Match[str]) -> Setup:
    namespace, wanted, name = found.groups()
    return replace(setup, others=(stream(wanted, tag(name), namespace=namespace),))


def _correct_names(setup: Setup, found: re.Match[str]) -> Setup:
    wrong = next(one for one in setup.tags if one["from"]["name"].lower() == found[1] != one["from"]["name"])
    return replace(setup, tags=tuple(tag(one["name"], found[1]) if one is wrong else one for one in setup.tags))


def _with_tag(**more: Any) -> Change:
    return lambda setup, found: replace(setup, tags=(tag(**more), *setup.tags[1:]))


CORRECT_SOURCE = Action(r"Correct the tag's source", _with_tag(source="quay.io/team/app:2"))
CORRECT_REPOSITORY = Action(r"Correct the tag's source", _with_tag(source="quay.io/other/app:1"))
WRITE_PULL_SPEC = Action(r"a pull spec is like quay\.io/example/app:1\.0", _with_tag())
CORRECT_NAMES = Action(r"Repair that tag first: .*it may be meant as (\S+)$", _correct_names)
CORRECT_ALIAS = Action(r"Correct the name", _with_tag(kind="ImageStreamTag", source="real"))
FOLLOW_TAG = Action(r"let the tag follow a tag in its place", _with_tag(kind="ImageStreamTag", source="real"))
ANSWER_SOONER = Action(r"or make the registry answer sooner", lambda setup, found: replace(setup, faults=()))
CORRECT_MIRROR = Action(
    r"In the mirror set correct the mirror: it has to be HOST\[:PORT\]/PATH",
    lambda setup, found: replace(setup, policy=(mirrors("ImageTagMirrorSet"),)),
)
LET_FOLLOW = Action(
    r"let (\S+?)/(\S+?):(\S+) follow an image", lambda setup, found: replace(setup, tags=(*setup.tags, tag(found[3])))
)
CORRECT_FIELD = Action(r"Correct (spec\.\S+): (.*)$", _correct_field)
CORRECT_NAME = Action(
    r"it may be meant as (\S+)$", lambda setup, found: replace(setup, tags=(tag(source=found[1]), *setup.tags[1:]))
)
INSECURE_TAG = Action(
    r"set importPolicy\.insecure of the tag",
    lambda setup, found: replace(setup, tags=(tag(importPolicy={"insecure": True}),)),
)
NAME_TAG = Action(
    r"Name (\S+) as a tag of its own in spec\.tags", lambda setup, found: replace(setup, tags=(tag(source=found[1]),))
)
FOLLOW_IMAGE = Action(r"Let one of (.*) follow an image", _follow_image)
GIVE_STREAM = Action(r"let (\S+?)/(\S+?):(\S+) follow an image", _give_stream)
SPREAD = Action(r"Spread the tags over several image streams", lambda setup, found: replace(setup, spread=4))


@dataclass(frozen=True)
class LookAndCorrect(Action):
    """Asks for the explanation that the remedy names, and corrects the answer that the explanation ends with."""

    async def follow(self, remedy: str, setup: Setup, folder: Path) -> Setup:
        """The registry without the answer."""
        found = re.search(self.pattern, remedy)
        assert found is not None
        async with question_on(setup, folder) as ask:
            said = await explain(ask(), shlex.split(found[1])[0])
        answers = [one for step in said.sources for one in step.exchanges if one.status is not None]
        wrong = answers[-1].url.removeprefix("https://quay.io")
        routes = [one for one in setup.hosts["quay.io"]["routes"] if one["path"] != wrong]
        assert len(routes) < len(setup.hosts["quay.io"]["routes"])
        return replace(setup, hosts={"quay.io": {"routes": routes}})


EXPLAIN = LookAndCorrect(r"--explain (.+)$", lambda setup, found: setup)
