"""`/health` and `/metrics`: what is answered, of what a store and a backend say."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from http import HTTPStatus
from types import SimpleNamespace

import pytest
import typer

from orchestrix_core.cli import _health
from orchestrix_core.cli._health import Pages
from orchestrix_core.cli._serving import json_answer, serving


def get(url, method="GET"):
    request = urllib.request.Request(url, method=method)  # noqa: S310  # it is our own server
    try:
        with urllib.request.urlopen(request, timeout=240) as answer:  # noqa: S310  # as above
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


class TestServing:
    def test_pages_are_served_from_other_threads(self):
        threads = []

        def page():
            threads.append(threading.current_thread())
            return json_answer(HTTPStatus.OK, {"a": "é"})

        with serving("127.0.0.1", 0, {"/a": page}) as url:
            assert get(url + "/a?b=c") == (200, "application/json", '{"a": "é"}\n'.encode())
            assert get(url + "/a", "HEAD") == (200, "application/json", b"")
            assert get(url + "/b") == (404, "text/plain", b"try /a\n")
            assert get(url + "/a", "POST")[0] == 501
        assert threading.current_thread() not in threads
        with pytest.raises(urllib.error.URLError):
            get(url + "/a")

    def test_a_page_that_fails_is_told_the_log_alone(self, caplog):
        with serving("127.0.0.1", 0, {"/a": lambda: 1 / 0}) as url:
            assert get(url + "/a") == (500, "text/plain", b"failed; the log tells why\n")
        assert "ZeroDivisionError" in caplog.text

    def test_an_address_that_is_taken(self):
        with serving("127.0.0.1", 0, {}) as url:
            port = int(url.rpartition(":")[2])
            with (
                pytest.raises(typer.BadParameter, match=f"cannot listen at 127.0.0.1:{port}"),
                serving("127.0.0.1", port, {}),
            ):
                pass


class Store:
    """Answers as it is told, and has no subscriptions."""

    def __init__(self, answer):
        self.answer = answer

    async def ping(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        return self.answer

    async def head(self):
        return 0

    async def find_documents(self, collection, **_):
        return []


def pages_of(store, *backends):
    async def following():
        return {"mail"}

    engine = SimpleNamespace(raw=store, _following=following)
    app = SimpleNamespace(_engine=engine, _backends=backends)
    return Pages(app, asyncio.get_running_loop())


async def health_of(answer, status="ok"):
    pages = pages_of(Store(answer))
    pages.status = status
    code, kind, content = await asyncio.to_thread(pages.health)
    assert kind == "application/json"
    return code, json.loads(content)


class TestHealth:
    async def test_all_is_well(self):
        code, found = await health_of(True)
        assert (code, found["status"], found["error"], found["lags"]) == (200, "ok", None, [])
        assert found["version"]

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (False, "ConnectionError: the store does not answer"),
            (
                OSError("no route to pg://u:hunter2@host"),
                "OSError: no route to pg://u:********@host",
            ),
        ],
    )
    async def test_the_store_is_not_well(self, answer, told):
        code, found = await health_of(answer)
        assert (code, found["status"], found["error"]) == (503, "failing", told)

    async def test_the_store_is_silent(self, monkeypatch):
        monkeypatch.setattr(_health, "_PATIENCE", 0.01)
        code, found = await health_of(None)
        assert (code, found["error"]) == (503, "no answer within 0 seconds")

    @pytest.mark.parametrize("status", ["starting", "stopping"])
    async def test_before_and_after(self, status):
        code, found = await health_of(True, status)
        assert (code, found["status"], found["error"]) == (503, status, None)


class TestMetrics:
    async def test_of_the_backend_that_has_some(self):
        metrics = SimpleNamespace(exposition=lambda: ("text/acme", b"acme 1\n"))
        pages = pages_of(Store(True), object(), metrics)
        assert pages.metrics() == (200, "text/acme", b"acme 1\n")

    async def test_of_none(self):
        code, _, content = pages_of(Store(True), object()).metrics()
        assert code == 404
        assert b"no metrics backend is configured" in content
