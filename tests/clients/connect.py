"""clickhouse-connect against the engine: a million rows each way as the service, and the questions of an analyst."""

import os
import time
import zlib

import clickhouse_connect

ROWS = 1_000_000
engine = {"host": os.environ["ENGINE_HOST"], "port": int(os.environ["ENGINE_PORT"])}


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
    client = clickhouse_connect.get_client(username="analyst", password=os.environ["ANALYST_PASSWORD"], database="tamga_stats", **engine)
    assert client.query("SELECT count() FROM python").result_rows == [(ROWS,)]
    asked = {"text": "it's", "list": [1, 2]}
    assert client.query("SELECT {text:String}, {list:Array(UInt8)}", parameters=asked).result_rows == [("it's", [1, 2])]
    with client.query_row_block_stream("SELECT id FROM python LIMIT 300000") as blocks:
        assert sum(len(block) for block in blocks) == 300_000
    assert client.query("SHOW TABLES").result_rows == [("python",)]
    assert client.raw_query("SELECT 1", fmt="CSV") == b"1\n"
    for refused in ["DROP TABLE python", "INSERT INTO python VALUES (1, '', 1)", "SELECT * FROM system.processes"]:
        try:
            client.command(refused)
        except clickhouse_connect.driver.exceptions.DatabaseError:
            continue
        raise AssertionError(f"{refused} was not refused")
    print("clickhouse-connect: the analyst is served")


service()
analyst()
