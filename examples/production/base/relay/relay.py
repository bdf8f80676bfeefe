"""A streaming gateway: relays server-sent events of the upstream as they come."""

from aiohttp import ClientSession, ClientTimeout, web


async def relay(request: web.Request) -> web.StreamResponse:
    """Pass on each piece as it arrives, and keep none."""
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    async with request.app["session"].get(f"http://upstream:8080{request.path}") as upstream:
        await answer.prepare(request)
        async for piece in upstream.content.iter_any():
            await answer.write(piece)
    return answer


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
