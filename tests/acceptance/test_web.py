"""An application behind FastAPI, as the documentation shows it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx
from fastapi import FastAPI, HTTPException, Request

from orchestrix_core import Command, Event, Orchestrix, handles, on
from orchestrix_core.asgi import lifespan


class OpenAccount(Command):
    owner: str


class AccountOpened(Event, type="web.account-opened"):
    owner: str


class NameTaken(Exception):
    pass


@handles(OpenAccount)
async def open_account(command: OpenAccount, app: Orchestrix) -> str:
    if await app.store.load(command.owner):
        raise NameTaken(command.owner)
    await app.store.save(command.owner, [AccountOpened(owner=command.owner)], 0)
    return f"welcome {command.owner}"


class Greeter:
    def __init__(self):
        self.greeted = []

    @on(AccountOpened, name="greeter")
    async def greet(self, event: AccountOpened) -> None:
        self.greeted.append(event.owner)


def serve(make):
    web = FastAPI(lifespan=lifespan(make))

    @web.put("/accounts/{owner}")
    async def put(owner: str, request: Request) -> str:
        app: Orchestrix = request.state.orchestrix
        command = OpenAccount(owner=owner, id=request.headers["Idempotency-Key"])
        try:
            answer: str = await app.send(command)
        except NameTaken as error:
            raise HTTPException(409) from error
        return answer

    @web.get("/caught-up")
    async def caught_up(request: Request) -> None:
        await request.state.orchestrix.caught_up(timeout=240.0)

    return web


@pytest.fixture
def make(tmp_path):
    file = tmp_path / "orchestrix.toml"
    file.write_text('[orchestrix]\nevent_store = "sqlite"\nmessage_bus = "memory"')
    greeters = []

    def make():
        app = Orchestrix.from_config(file)
        greeters.append(Greeter())
        app.register(open_account, greeters[-1])
        return app

    make.greeters = greeters
    return make


@asynccontextmanager
async def served(web):
    """What a server does: run the lifespan, and give its state to each request."""
    async with web.router.lifespan_context(web) as state:

        async def answer(scope, receive, send):
            await web({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(app=answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield client


async def put(client, owner, key):
    return await client.put(f"/accounts/{owner}", headers={"Idempotency-Key": key})


async def test_the_application_starts_and_ends_with_the_server(make):
    for run in range(2):
        async with served(serve(make)) as client:
            assert (await put(client, f"ada-{run}", f"key-{run}")).json() == f"welcome ada-{run}"
            assert (await client.get("/caught-up")).status_code == 200
        assert make.greeters[run].greeted == [f"ada-{run}"]


async def test_a_request_that_is_sent_again_gets_the_first_answer(make):
    async with served(serve(make)) as client:
        first = await put(client, "ada", "key")
        assert (await put(client, "ada", "other")).status_code == 409
    async with served(serve(make)) as client:
        again = await put(client, "ada", "key")
    assert (again.status_code, again.json()) == (first.status_code, first.json())


async def test_a_server_that_fails_to_start_leaves_nothing_open(make):
    def broken():
        app = make()
        app.register(Failing())
        return app

    class Failing:
        def __orchestrix_component__(self, app):
            from orchestrix_core.components import Component

            class Broken(Component):
                async def start(self):
                    raise ZeroDivisionError

            return Broken()

    with pytest.raises(ZeroDivisionError):
        async with served(serve(broken)):
            pytest.fail("it started")
    async with served(serve(make)) as client:
        assert (await put(client, "ada", "key")).status_code == 200
