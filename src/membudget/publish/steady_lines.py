"""Lines at the bottom of a terminal that change in place.

rich's own `Live` erases all lines and draws them anew. If a terminal shows the moment between, the lines flicker. These
lines are overwritten, each up to its end.
"""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live
from rich.live_render import LiveRender
from rich.segment import ControlType, Segment

_ERASE_REST = Control((ControlType.ERASE_IN_LINE, 0))


class SteadyLines:
    """Draws lines when told to. Whatever else is printed on the console appears above them."""

    def __init__(self, console: Console) -> None:
        self._live = _SteadyLive(console)
        self._height = 0

    def draw(self, lines: RenderableType, height: int) -> None:
        """Draw `lines`, which are `height` lines, over the last ones."""
        self._height = max(self._height, height)
        self._live.start()
        self._live.update(_Padded(lines, self._height), refresh=True)

    def remove(self) -> None:
        """Remove the lines from the screen."""
        self._live.stop()


class _SteadyLive(Live):
    def __init__(self, console: Console) -> None:
        super().__init__(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._live_render: _SteadyRender = _SteadyRender("")

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Put the lines below what is printed. Without anything to print, draw over the last ones."""
        if all(isinstance(renderable, Control) for renderable in renderables):
            return [self._live_render.back_to_top(), *renderables, self._live_render]
        return super().process_renderables(renderables)


class _SteadyRender(LiveRender):
    def back_to_top(self) -> Control:
        """Return the control codes to move to the first line, without erasing anything."""
        up = [(ControlType.CURSOR_UP, 1)] * (self.last_render_height - 1)
        return Control(ControlType.CARRIAGE_RETURN, *up)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # After a character in the last column, erasing the rest of the line would erase that character.
        narrower = options.update(max_width=max(1, options.max_width - 1))
        for segment in _segments(super().__rich_console__(console, narrower)):
            if segment.text == "\n":
                yield _ERASE_REST
            yield segment
        yield _ERASE_REST


def _segments(results: RenderResult) -> Iterable[Segment]:
    return (result for result in results if isinstance(result, Segment))


class _Padded:
    """Lines that are followed by empty ones, so that fewer lines than before leave nothing behind."""

    def __init__(self, lines: RenderableType, height: int) -> None:
        self._lines = lines
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._lines, options, pad=False)
        for line in [*lines, *([[]] * (self._height - len(lines)))]:
            yield from line
            yield Segment.line()
