"""More libraries and programs of Python, each as an analyst, with TAMGA_CLIENTS=all: data frames, DB-API and async of
clickhouse-connect, aiochclient, ibis and clickhouse-cli. They read the made-up rows of connect.py."""

import asyncio
import os
import subprocess
import sys

import clickhouse_connect
from clickhouse_connect import dbapi

host, port, password = os.environ["ENGINE_HOST"], int(os.environ["ENGINE_PORT"]), os.environ["ANALYST_PASSWORD"]
person = {"host": host, "port": port, "username": "analyst", "password": password, "database": "tamga_stats"}
# Seven pages of a site, by what connect.py has made.
ASKED = "SELECT path, sum(views) AS views FROM pages WHERE site = 'a.kz' GROUP BY path ORDER BY path"
FIRST = ("/0", 15225)


def frames():
    client = clickhouse_connect.get_client(**person)
    pandas = client.query_df(ASKED)
    assert list(pandas.columns) == ["path", "views"] and tuple(pandas.iloc[0]) == FIRST, pandas
    arrow = client.query_arrow(ASKED, use_strings=True)
    assert tuple(arrow.to_pylist()[0].values()) == FIRST, arrow
    polars = client.query_df_arrow(ASKED, dataframe_library="polars")
    assert polars.row(0) == FIRST, polars
    # NULL is a number that is not published, and stays one.
    hidden = client.query_df("SELECT visits FROM site WHERE site = 'a.kz'")["visits"].isna().sum()
    assert hidden == 15, hidden
    print("clickhouse-connect: pandas, arrow and polars have the same rows")


def cursors():
    with dbapi.connect(**person) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT path, sum(views) FROM pages WHERE path = %(path)s GROUP BY path", {"path": "/0"})
        assert cursor.fetchall() == [FIRST]
        cursor.execute(ASKED)
        assert [column[0] for column in cursor.description] == ["path", "views"] and len(cursor.fetchall()) == 7
    print("clickhouse-connect: DB-API works")


async def at_once():
    async with await clickhouse_connect.get_async_client(**person) as client:
        answers = await asyncio.gather(*[client.query(ASKED) for _ in range(8)])
        assert all(tuple(answer.result_rows[0]) == FIRST for answer in answers)
    print("clickhouse-connect: eight async questions at once are answered")

    from aiochclient import ChClient
    from aiohttp import ClientSession

    async with ClientSession() as session:
        client = ChClient(session, url=f"http://{host}:{port}", user="analyst", password=password, database="tamga_stats")
        assert await client.is_alive()
        rows = await client.fetch(ASKED)
        assert (rows[0]["path"], rows[0]["views"]) == FIRST and len(rows) == 7
    print("aiochclient: works")


def ibis_tables():
    import ibis

    connection = ibis.clickhouse.connect(host=host, port=port, user="analyst", password=password, database="tamga_stats")
    assert "pages" in connection.list_tables()
    pages = connection.table("pages")
    asked = pages.filter(pages.site == "a.kz").group_by("path").agg(views=pages.views.sum()).order_by("path")
    assert tuple(asked.to_pandas().iloc[0]) == FIRST
    print("ibis: tables and expressions work")


def terminal(program):
    arguments = [f"--host={host}", f"--port={port}", "--user=analyst", f"--arg-password={password}", "--database=tamga_stats"]
    said = subprocess.run([program, *arguments, f"--query={ASKED} FORMAT TabSeparated"], capture_output=True, text=True, check=False)
    assert said.stdout.splitlines()[:1] == ["/0\t15225"], said.stderr[-300:] + said.stdout[-300:]
    print("clickhouse-cli: works")


frames()
cursors()
asyncio.run(at_once())
ibis_tables()
terminal(sys.argv[1])
