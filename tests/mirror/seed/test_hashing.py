from __future__ import annotations

import hashlib
import io

import pytest

from mirror.seed.archives.tar import TAR_END, TarReader, tar_header, tar_padding
from mirror.seed.bundles.hashing import HashingThread

PIECES = [b"small", b"x" * 100_000, b"", b"y" * 200_000, b"small again", *([b"z" * 70_000] * 9), b"end"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_pieces_of_all_sizes_are_hashed_in_order(algorithm: str) -> None:
    with HashingThread() as thread:
        one, other = thread.new(algorithm), thread.new(algorithm)
        for piece in PIECES:
            one.update(piece)
            other.update(piece[:-1])
        assert one.hexdigest() == hashlib.new(algorithm, b"".join(PIECES)).hexdigest()
        assert other.hexdigest() == hashlib.new(algorithm, b"".join(piece[:-1] for piece in PIECES)).hexdigest()
        one.update(PIECES[1])
        assert one.hexdigest() == hashlib.new(algorithm, b"".join([*PIECES, PIECES[1]])).hexdigest()


def test_a_header_that_is_another_one_is_still_to_come() -> None:
    """Members with headers that are known are taken whole; others are read as usual, also after a try."""
    members = {"a": b"one", "b": b"", "c": b"x" * 600}
    tar = b"".join(tar_header(name, len(data)) + data + tar_padding(len(data)) for name, data in members.items())
    reader = TarReader(io.BytesIO(tar + TAR_END), "some.tar", remembered=False)
    assert reader.take(tar_header("a", 3), 3) == b"one"
    assert reader.take(tar_header("b", 1), 1) is None
    following = iter(reader)
    member = next(following)
    assert (member.name, member.size, reader.read(10)) == ("b", 0, b"")
    assert reader.take(tar_header("c", 600), 600) == b"x" * 600
    assert next(following, None) is None
    assert reader.ended
