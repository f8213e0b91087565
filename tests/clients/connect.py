"""clickhouse-connect and SQLAlchemy against the engine: the published tables, what analysts ask, and with TAMGA_CLIENTS=all a
million rows each way as the service."""

import decimal
import json
import os
import pathlib
import time
import zlib

import clickhouse_connect
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text

ROWS = 1_000_000 if os.environ.get("TAMGA_CLIENTS") == "all" else 1000
ROOT = pathlib.Path(__file__).parent / "../.."
engine = {"host": os.environ["ENGINE_HOST"], "port": int(os.environ["ENGINE_PORT"])}
person = {"username": "analyst", "password": os.environ["ANALYST_PASSWORD"], "database": "tamga_stats"}


def publish():
    """The published tables, with some made-up numbers."""
    client = clickhouse_connect.get_client(username="tamga", password=os.environ["ENGINE_PASSWORD"], **engine)
    client.command("CREATE DATABASE IF NOT EXISTS tamga_stats")
    for statement in (ROOT / "schema/structure.sql").read_text().split(";\n"):
        if "CREATE TABLE tamga_stats." in statement:
            client.command(statement[statement.index("CREATE TABLE") :])
    client.command(
        "INSERT INTO tamga_stats.site (site, window_start, window_end, views, visits) SELECT 'a.kz', toDateTime('2026-01-01') + "
        "toIntervalDay(number), now(), 500, if(number % 2, 100, NULL) FROM numbers(30)"
    )
    client.command(
        "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views) SELECT 'a.kz', now(), now(), "
        "concat('/', toString(number % 7)), number * 5 FROM numbers(210)"
    )


def service():
    client = clickhouse_connect.get_client(username="tamga", password=os.environ["ENGINE_PASSWORD"], **engine)
    client.command("CREATE DATABASE IF NOT EXISTS tamga_stats")
    client.command("CREATE TABLE tamga_stats.python (id UInt64, text String, maybe Nullable(Int32)) ENGINE = MergeTree ORDER BY id")
    columns = [
        list(range(ROWS)),
        [f"row {n % 1000} of {n}" for n in range(ROWS)],
        [None if n % 7 == 0 else n % 100 - 50 for n in range(ROWS)],
    ]
    sent = checksum(columns)
    since = time.monotonic()
    client.insert("python", columns, column_names=["id", "text", "maybe"], database="tamga_stats", column_oriented=True)
    print(f"clickhouse-connect: {ROWS / (time.monotonic() - since):,.0f} rows/s in")
    since = time.monotonic()
    read = [[], [], []]
    with client.query_column_block_stream("SELECT id, text, maybe FROM tamga_stats.python ORDER BY id") as blocks:
        for block in blocks:
            for column, part in zip(read, block):
                column.extend(part)
    print(f"clickhouse-connect: {ROWS / (time.monotonic() - since):,.0f} rows/s out")
    assert checksum(read) == sent, "what was read is not what was sent"
    print(f"clickhouse-connect: checksum {sent:08x} both ways")


def checksum(columns):
    return zlib.crc32("\n".join(",".join(map(str, column)) for column in columns).encode())


def analyst():
    client = clickhouse_connect.get_client(**person, **engine)
    assert client.query("SELECT count() FROM python").result_rows == [(ROWS,)]
    asked = {"text": "it's", "list": [1, 2]}
    assert client.query("SELECT {text:String}, {list:Array(UInt8)}", parameters=asked).result_rows == [("it's", [1, 2])]
    with client.query_row_block_stream("SELECT id FROM python LIMIT 300000") as blocks:
        assert sum(len(block) for block in blocks) == min(ROWS, 300_000)
    assert ("python",) in client.query("SHOW TABLES").result_rows
    assert client.raw_query("SELECT 1", fmt="CSV") == b"1\n"
    for refused in ["DROP TABLE python", "INSERT INTO python VALUES (1, '', 1)", "SELECT * FROM system.processes"]:
        try:
            client.command(refused)
        except clickhouse_connect.driver.exceptions.DatabaseError:
            continue
        raise AssertionError(f"{refused} was not refused")
    limits = {"max_execution_time": 5, "join_use_nulls": 1, "use_query_cache": 1, "mutations_sync": 2}
    client = clickhouse_connect.get_client(settings=limits, **person, **engine)
    said = client.query("SELECT getSetting('max_execution_time'), getSetting('join_use_nulls')", settings={"max_result_rows": 1})
    assert said.result_rows == [(5.0, True)], said.result_rows
    print("clickhouse-connect: the analyst is served")


def grafana():
    """What Grafana sends, decoded here as it is there: in Native with a revision, and the same as in JSON."""
    client = clickhouse_connect.get_client(**person, **engine)
    assert client.protocol_version > 0, "the engine honours client_protocol_version"
    lines = (ROOT / "tests/fixtures/analyst/clients.txt").read_text().split("## Grafana ")[1].split("##")[0].splitlines()[1:]
    statements = [line for line in lines if line]
    for statement in statements:
        decoded = client.query(statement)
        shown = json.loads(client.raw_query(statement, fmt="JSONCompact"))
        assert list(decoded.column_names) == [column["name"] for column in shown["meta"]] or not shown["data"], statement
        assert len(decoded.result_rows) == shown["rows"], statement
        # Numbers and texts are alike in both forms.
        for row, other in zip(sorted(map(plain, decoded.result_rows)), sorted(map(plain, shown["data"]))):
            assert row == other, f"{statement}: {row} {other}"
    assert len(statements) >= 30
    print(f"clickhouse-connect: {len(statements)} statements of Grafana decoded")


def plain(row):
    return [str(float(value)) if not isinstance(value, str) else value for value in row if is_plain(value)]


def is_plain(value):
    return isinstance(value, (int, float, decimal.Decimal)) or isinstance(value, str) and not value[:1].isdigit()


def sqlalchemy():
    address = "{username}:{password}@{host}:{port}/{database}".format(**person, **engine)
    for dialect in ["clickhousedb", "clickhouse+http"]:
        database = create_engine(f"{dialect}://{address}")
        with database.connect() as connection:
            assert connection.execute(text("SELECT count(), max(views) FROM site")).all() == [(30, 500)]
            found = inspect(database)
            assert "site" in found.get_table_names() and found.get_columns("site")[0]["name"] == "site"
            pages = Table("pages", MetaData(), autoload_with=database)
            query = select(pages.c.path, func.sum(pages.c.views)).group_by(pages.c.path).order_by(pages.c.path)
            assert connection.execute(query).all()[0] == ("/0", 15225)
    print("SQLAlchemy: both dialects work")


publish()
service()
analyst()
grafana()
sqlalchemy()
