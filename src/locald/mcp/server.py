"""A server of the Model Context Protocol on standard input and output, for the project of one folder.

The protocol is the official SDK's. A call is carried out in a thread and called off when its client cancels
it or goes away; what goes wrong is an answer with the error, its hint, and how things stand. Nothing here
asks anybody anything, and nothing waits without an end.

Source: https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import json
import logging
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from locald.mcp import failing, resources
from locald.mcp.arguments import read
from locald.mcp.asking import Asking
from locald.mcp.tools import TOOLS
from locald.mcp.waiting import Call
from locald.mcp.watching import Watching
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import ServerRequestContext

    from locald.mcp.asking import Check
    from locald.mcp.tools import Tool

    Context = ServerRequestContext[Any, Any]

INSTRUCTIONS = """\
locald runs the services of the project in this folder. Call `up` to start them and wait until they are
healthy, `status` to see them, `why` to learn why one is not healthy, `logs` to read their output. `logs`
answers a `cursor`; the next call with it has what came afterwards.
"""
FAREWELL = 2.0
"""seconds that a call may take to end when it is called off"""
AT_ONCE = 16
"""calls that are carried out at the same time; others wait for their turn"""


def serve(directory: str | None, check: Check, *, read_only: bool = False) -> None:
    """Until standard input ends. `check` looks through the file of a project."""
    logging.getLogger("mcp").setLevel(logging.ERROR)  # what clients do wrong is told to them
    face = _Face(Asking(directory, check), read_only)
    try:
        anyio.run(face.serve)
    except* (BrokenPipeError, ConnectionError):
        pass  # the client has gone
    finally:
        face.end()


class _Face:
    def __init__(self, asking: Asking, read_only: bool) -> None:
        self._asking = asking
        self._tools = {tool.name: tool for tool in TOOLS if tool.only_looks or not read_only}
        self._watching = Watching(asking)
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._calls: set[Call] = set()

    async def serve(self) -> None:
        server: Server[Any] = Server(
            "locald",
            version=__version__,
            instructions=INSTRUCTIONS,
            lifespan=self._life,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
            on_subscribe_resource=self._watching.subscribe,
            on_unsubscribe_resource=self._watching.unsubscribe,
            on_subscriptions_listen=self._watching.listen,
        )
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    async def _heed_signals(self) -> None:
        """Who reads standard input cannot be interrupted, so the end is made here."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                self.end()
                os._exit(128 + number)

    def end(self) -> None:
        """Call off what is still carried out, and give it a moment: commands are ended with their calls."""
        for call in list(self._calls):
            call.off.set()
        for call in list(self._calls):
            call.over.wait(FAREWELL)

    @asynccontextmanager
    async def _life(self, server: Server[Any]) -> AsyncIterator[dict[str, Any]]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watching.watch)
            tasks.start_soon(self._heed_signals)
            try:
                yield {}
            finally:
                self._watching.end()
                tasks.cancel_scope.cancel()

    async def _list_tools(self, context: Context, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.described() for tool in self._tools.values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            known = ", ".join(self._tools)
            raise MCPError(types.INVALID_PARAMS, f"no such tool: {params.name} (there are {known})")
        try:
            asked = read(tool.arguments, params.arguments)
            document = await self._carried_out(context, tool, asked)
        except Exception as error:
            document, problems = failing.told(error)
            return _result(document, "\n".join(map(str, problems)))
        return _result(document)

    async def _carried_out(self, context: Context, tool: Tool, asked: Any) -> dict[str, Any]:
        steps = iter(range(1, 1 << 62))

        async def report(text: str) -> None:
            await context.session.report_progress(next(steps), None, text)

        call = Call(lambda text: anyio.from_thread.run(report, text))

        def work() -> dict[str, Any]:
            self._calls.add(call)
            try:
                return tool.function(self._asking, call, asked)
            finally:
                self._calls.discard(call)
                call.over.set()

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._turns)
        finally:
            call.off.set()

    async def _list_resources(self, context: Context, params: Any) -> types.ListResourcesResult:
        found = await anyio.to_thread.run_sync(resources.listed, self._asking, abandon_on_cancel=True)
        return types.ListResourcesResult(resources=found)

    async def _read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            found = await anyio.to_thread.run_sync(resources.read, self._asking, uri, abandon_on_cancel=True)
        except Exception as error:
            document, problems = failing.told(error)
            raise MCPError(types.INVALID_PARAMS, "\n".join(map(str, problems)), document) from None
        return types.ReadResourceResult(contents=[found])


def _result(document: dict[str, Any], error: str = "") -> types.CallToolResult:
    """The document as it is, and as text for clients that know nothing else; an error comes first in it."""
    texts = [error] if error else []
    texts.append(json.dumps(document, ensure_ascii=False))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text) for text in texts],
        structured_content=document,
        is_error=bool(error),
    )
