"""The resource version that reads may ask for (apiserver ``storage/cacher``)."""

from __future__ import annotations

from mirror.api import failures
from mirror.api.messages import ApiRequest
from mirror.api.parameters import NumberError, wanted_version
from mirror.store import Store


async def check_version(store: Store, request: ApiRequest) -> None:
    """Refuses to read what has not been written yet.

    Raises:
        ApiFailure: 500 or 504.
    """
    text = request.parameter("resourceVersion")
    if not text:
        return
    try:
        wanted = wanted_version(text)
    except NumberError as error:
        raise failures.plain_error(str(error)) from None
    current = await store.version()
    if wanted > current:
        raise failures.too_large_version(wanted, current)
