"""Do eight runaway queries of analysts slow ingest down? A measurement against a running demo. It uses only the standard library.

    target/debug/tamga-demo &        # a release build is more realistic
    python3 tests/clients/runaway.py [SECONDS] [PORT OF THE COLLECTOR] [PORT OF THE STATS ENGINE] [PASSWORD FILE]

Beacons are sent at a steady rate, whether the last one is answered or not. During the second half eight queries run that
would not end by themselves. It prints both 99th percentiles, and how long another analyst waits afterwards.
"""

import base64
import http.client
import json
import os
import pathlib
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
STATS = int(sys.argv[3]) if len(sys.argv) > 3 else 8124
PASSWORD = pathlib.Path(sys.argv[4] if len(sys.argv) > 4 else "data/demo/engine/analyst.password").read_text().strip()
RATE = 200
SENDERS = 16
RUNAWAYS = [
    "SELECT count() FROM numbers(2000000000) WHERE NOT ignore(sipHash64(number), SHA256(toString(number)))",
    "SELECT count() FROM numbers(40000) AS a, numbers(40000) AS b WHERE cityHash64(a.number, b.number) = 1",
    "SELECT groupArray(number) FROM numbers(1000000000)",
    "SELECT uniqExact(cityHash64(number)) FROM numbers(1000000000)",
    "SELECT number AS n, count() FROM numbers(1000000000) GROUP BY n ORDER BY n",
    "SELECT arrayMap(x -> arrayMap(y -> x * y, range(1000000)), range(1000000))",
    "SELECT max(length(replaceRegexpAll(repeat(toString(number), 1000), '(.)(.)', '\\\\2\\\\1'))) FROM numbers(1000000000)",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
]


def beacons(seconds):
    """Times until beacons are answered that are sent RATE times a second. They include the wait for a free sender."""
    times, lock, begun, sent = [], threading.Lock(), time.monotonic(), [0]

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        while True:
            with lock:
                number = sent[0]
                sent[0] += 1
            at = begun + number / RATE
            if at > begun + seconds:
                return
            time.sleep(max(0, at - time.monotonic()))
            view = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
            event = {"type": "view", "at": 0, "url": f"http://shop.demo.localhost:{PORT}/catalog", "referrer": ""}
            body = json.dumps({"v": 1, "site": "demo.localhost", "view": view, "seq": 0, "events": [event]})
            headers = {
                "Host": f"t.demo.localhost:{PORT}",
                "Origin": f"http://shop.demo.localhost:{PORT}",
                "Content-Type": "text/plain",
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                # Enough networks that none reaches its limit.
                "X-Forwarded-For": f"10.{number % 250}.{number // 250 % 250}.7",
            }
            connection.request("POST", "/v1/beacon", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202, answer.status
            with lock:
                times.append(time.monotonic() - at)

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    times.sort()
    return times


def ask(sql, **settings):
    settings = "".join(f"&{name}={value}" for name, value in settings.items())
    connection = http.client.HTTPConnection("127.0.0.1", STATS, timeout=90)
    connection.request("POST", f"/?user=analyst&password={PASSWORD}{settings}", sql)
    return connection.getresponse().read()


def report(name, times):
    p50, p99 = times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000
    print(f"{name}: {len(times)} beacons, p50 {p50:.2f} ms, p99 {p99:.2f} ms", flush=True)
    return p99


quiet = report("quiet", beacons(SECONDS))
runaways = [threading.Thread(target=ask, args=(sql,), kwargs={"max_execution_time": 25}, daemon=True) for sql in RUNAWAYS]
for runaway in runaways:
    runaway.start()
time.sleep(0.5)
busy = report("under eight runaway queries", beacons(SECONDS))
print(f"ratio of the 99th percentiles: {busy / quiet:.2f}")
for runaway in runaways:
    runaway.join()
since = time.monotonic()
assert ask("SELECT 1").strip() == b"1"
print(f"the next analyst was answered after {(time.monotonic() - since) * 1000:.1f} ms")
