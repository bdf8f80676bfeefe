"""A streaming gateway: relays server-sent events of the upstream, and counts them."""

from aiohttp import ClientSession, ClientTimeout, web


async def relay(request: web.Request) -> web.Response:
    """Log how many events an answer has, and pass it on."""
    async with request.app["session"].get(f"http://upstream:8080{request.path}") as upstream:
        events = await upstream.read()
    print(f"relayed {events.count(b'data:')} events", flush=True)
    return web.Response(body=events, content_type="text/event-stream")


async def healthy(_: web.Request) -> web.Response:
    """Whether it runs."""
    return web.Response(text="fine")


async def with_session(app: web.Application) -> None:
    """One session for all requests."""
    app["session"] = ClientSession(timeout=ClientTimeout(total=None))


service = web.Application()
service.add_routes([web.get("/health", healthy), web.get("/events", relay)])
service.on_startup.append(with_session)
web.run_app(service, host="127.0.0.1", port=8080, access_log=None, print=None)
