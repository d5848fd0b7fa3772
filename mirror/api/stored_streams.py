"""Stored image streams as lists show them, without decoding them: what is stored is JSON already.

A list of everything is mostly copied: two places of the stored text are other in an answer, the version and the
repositories of the status, which are worked out on every read.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mirror.api.strategy import StreamStrategy
from mirror.store import Record
from mirror.v1.imagestream import ImageStream, ImageStreamStatus
from mirror.v1.meta import ObjectMeta

# Quotes inside of strings are escaped, so that these can only be keys. The uid is metadata's, the first there is; only
# the status of a stream is an object, and what managed fields say of it is called "f:status".
_UID: Final = re.compile(rb'^\{"metadata":\{[^{}\[\]]*?"uid":"[0-9a-f-]*"')
_STATUS: Final = b'"status":{'
_REPOSITORIES: Final = re.compile(
    rb'"status":\{"dockerImageRepository":"(?:[^"\\]|\\.)*"(?:,"publicDockerImageRepository":"(?:[^"\\]|\\.)*")?'
)


class StoredStreams:
    """Turns records of image streams into JSON texts."""

    def __init__(self, strategy: StreamStrategy) -> None:
        self._strategy = strategy

    def __call__(self, record: Record) -> msgspec.Raw | None:
        """The stream as `StreamStrategy.decorate` shows it; None where that takes more than the text."""
        value = record.value
        uid, status = _UID.match(value), _REPOSITORIES.match(value, max(value.find(_STATUS), 0))
        shown = self._status(record)
        if uid is None or status is None or shown is None:
            return None
        version = b',"resourceVersion":"%d"' % record.version
        middle = value[uid.end() : status.start()]
        return msgspec.Raw(b"".join((uid.group(), version, middle, shown, value[status.end() :])))

    def _status(self, record: Record) -> bytes | None:
        """The beginning of the status, up to the repositories, of a stream that has a repository of its own."""
        if not self._strategy.has_registry:
            return None
        stream = ImageStream(metadata=ObjectMeta(namespace=record.namespace, name=record.name))
        status = self._strategy.decorate(stream).status
        found = ImageStreamStatus(status.dockerImageRepository, status.publicDockerImageRepository)
        return b'"status":' + msgspec.json.encode(found)[:-1]
