"""mcp-clickhouse as an analyst, as an application with a language model starts it, with TAMGA_CLIENTS=all. It reads the made-up rows
of connect.py."""

import asyncio
import os
import pathlib
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

ASKED = "SELECT path, sum(views) AS views FROM pages WHERE site = 'a.kz' GROUP BY path ORDER BY path"


async def main():
    settings = {
        "CLICKHOUSE_HOST": os.environ["ENGINE_HOST"],
        "CLICKHOUSE_PORT": os.environ["ENGINE_PORT"],
        "CLICKHOUSE_USER": "analyst",
        "CLICKHOUSE_PASSWORD": os.environ["ANALYST_PASSWORD"],
        "CLICKHOUSE_DATABASE": "tamga_stats",
        "CLICKHOUSE_SECURE": "false",
        "FASTMCP_SHOW_SERVER_BANNER": "false",
        "FASTMCP_CHECK_FOR_UPDATES": "off",
    }
    program = pathlib.Path(sys.executable).parent / "mcp-clickhouse"
    async with Client(StdioTransport(str(program), [], env={**os.environ, **settings}, log_file=pathlib.Path(os.devnull))) as client:
        tools = {tool.name for tool in await client.list_tools()}
        assert "tamga_stats" in str(await client.call_tool("list_databases"))
        assert "pages" in str(await client.call_tool("list_tables", {"database": "tamga_stats"}))
        ask = "run_query" if "run_query" in tools else "run_select_query"
        assert "15225" in str(await client.call_tool(ask, {"query": ASKED}))
    print("mcp-clickhouse: its tools that read work")


asyncio.run(main())
