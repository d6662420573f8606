"""The shared cache: whoever can write to Redis must not run code here."""

import pickle
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache.backends.redis import RedisCache

from config.cache import JSONSerializer


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_planted_pickle_is_not_run(tmp_path: Path) -> None:
    planted = pickle.dumps(Touch(tmp_path / "run"))
    with pytest.raises(UnicodeDecodeError):
        JSONSerializer().loads(planted)
    assert not (tmp_path / "run").exists()


def test_what_rate_limits_keep_comes_back() -> None:
    serializer = JSONSerializer()
    assert serializer.loads(serializer.dumps([1.5, 2.5])) == [1.5, 2.5]


@pytest.mark.skipif(not settings.REDIS_URL, reason="REDIS_URL is not set: nothing is shared.")
def test_a_pickle_planted_in_redis_is_not_run(tmp_path: Path) -> None:
    cache = RedisCache(
        settings.REDIS_URL, {"OPTIONS": {"serializer": "config.cache.JSONSerializer"}}
    )
    key = cache.make_and_validate_key("planted-for-a-test")
    cache._cache.get_client(None, write=True).set(key, pickle.dumps(Touch(tmp_path / "run")))
    try:
        with pytest.raises(UnicodeDecodeError):
            cache.get("planted-for-a-test")
        assert not (tmp_path / "run").exists()
    finally:
        cache.delete("planted-for-a-test")
