from __future__ import annotations

import attrs
import pytest

from orchestrix_core.secrets import MASK, Secret, mask


def test_a_secret_shows_itself_to_reveal_alone():
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", str([secret])):
        assert "hunter2" not in shown
        assert MASK in shown


def test_a_secret_inside_a_value_is_masked():
    holder = attrs.make_class("Holder", ["password"])(Secret("hunter2"))
    assert "hunter2" not in repr(holder)


def test_secrets_are_equal_when_their_strings_are():
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_only_a_string_is_a_secret():
    with pytest.raises(TypeError, match="value must be a str, not int"):
        Secret(3)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:hunter2@host:5432/db",
        "cannot reach postgresql+asyncpg://user:hunter2@host/db: refused",
        "redis://:hunter2@host",
        "postgresql://user:p@hunter2@host/db",
        "postgresql://user:pa/hunter2@host/db",
        "host=h user=u password=hunter2 dbname=d",
        "host=h password = 'hunter2 hunter2' dbname=d",
        "https://host/?api_key=hunter2&x=1",
        "PGPASSWORD=hunter2",
        "sslpassword=hunter2",
    ],
)
def test_passwords_inside_text_are_masked(text):
    assert "hunter2" not in mask(text)
    assert MASK in mask(text)


@pytest.mark.parametrize("text", ["postgresql://host:5432/db", "shop.db", "a@b.c", "http://h:1/x"])
def test_text_without_a_password_stays(text):
    assert mask(text) == text


def test_what_is_not_secret_stays_readable():
    shown = mask("postgresql://user:hunter2@host:5432/db")
    assert shown == f"postgresql://user:{MASK}@host:5432/db"
