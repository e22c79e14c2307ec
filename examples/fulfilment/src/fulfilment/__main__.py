"""`python -m fulfilment`: the demo."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from fulfilment.demo import run_demo

cli = typer.Typer(no_args_is_help=True, add_completion=False)


@cli.callback()
def main() -> None:
    """Order fulfilment, an example of an application with Orchestrix."""


@cli.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders are placed.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides who orders what.")] = 1,
    pay_within: Annotated[float, typer.Option(help="Seconds to pay in.", min=0)] = 3,
) -> None:
    """Place orders, some out of stock, some unpaid, and show what becomes of them."""
    asyncio.run(run_demo(Console(), orders=orders, seed=seed, pay_within=pay_within))


cli(prog_name="python -m fulfilment")
