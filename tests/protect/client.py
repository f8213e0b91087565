"""Sends a call for a verdict by a library of Python: client.py LIBRARY ADDRESS ORIGIN AGENT BODY"""

import asyncio
import socket
import sys

library, address, origin, agent, body = sys.argv[1:]
headers = {"Content-Type": "text/plain", "Origin": origin} | ({"User-Agent": agent} if agent else {})

# Not every system resolves names below localhost.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve(
    "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more
)

if library == "requests":
    import requests

    status = requests.post(address, data=body, headers=headers, timeout=20).status_code
elif library == "httpx":
    import httpx

    status = httpx.post(address, content=body, headers=headers, timeout=20).status_code
else:
    import aiohttp

    async def send():
        async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
            return answer.status

    status = asyncio.run(send())
if status != 200:
    sys.exit(f"{library}: {status}")
