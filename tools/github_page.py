"""A comment as GitHub shows it: its own Markdown parser (cmarkgfm), its style sheet and Mermaid (both from npm)."""

import html
import re
from enum import StrEnum

import cmarkgfm
from cmarkgfm.cmark import Options

import npm_package

_STYLE_SHEET = ("github-markdown-css", "5.9.0")
MERMAID_VERSION = "11.12.0"
"""GitHub does not say which it runs (11.3.0 in October 2024); our charts look alike in 11.3.0, 11.12.0 and 12.3.0."""
_MERMAID_BLOCK = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.DOTALL)


class Theme(StrEnum):
    """The two that GitHub follows the system with."""

    LIGHT = "light"
    DARK = "dark"


_COLOURS = {
    Theme.LIGHT: {"page": "#fff", "line": "#d1d9e0", "header": "#f6f8fa", "muted": "#59636e", "text": "#1f2328"},
    Theme.DARK: {"page": "#0d1117", "line": "#3d444d", "header": "#151b23", "muted": "#9198a1", "text": "#f0f6fc"},
}
_PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>{style_sheet}</style>
<style>
  body {{ margin: 0; background: {page}; }}
  .conversation {{ display: flex; gap: 16px; padding: 16px; font-family: "Noto Sans", sans-serif; font-size: 14px; }}
  .avatar {{ width: 40px; height: 40px; border-radius: 6px; background: #24292f; color: #fff; flex: none;
             display: flex; align-items: center; justify-content: center; font: 20px "DejaVu Sans Mono", monospace; }}
  .comment {{ flex: auto; min-width: 0; border: 1px solid {line}; border-radius: 6px; }}
  .header {{ padding: 8px 16px; background: {header}; border-bottom: 1px solid {line}; border-radius: 6px 6px 0 0;
             color: {muted}; }}
  .header b {{ color: {text}; font-weight: 600; }}
  .label {{ border: 1px solid {line}; border-radius: 2em; padding: 0 7px; margin: 0 4px; font-size: 12px; }}
  .markdown-body {{ padding: 16px; font-family: "Noto Sans", "Noto Color Emoji", sans-serif; font-size: 14px; }}
  .markdown-body code {{ font-family: "DejaVu Sans Mono", monospace; }}
  .mermaid {{ text-align: center; }}
  @media (max-width: 600px) {{ .avatar {{ display: none }} .conversation {{ padding: 8px }} }}
</style>
<div class="conversation">
  <div class="avatar">&gt;_</div>
  <div class="comment">
    <div class="header"><b>github-actions</b><span class="label">bot</span>commented 2 minutes ago</div>
    <div class="markdown-body">{content}</div>
  </div>
</div>
{script}
"""
_DRAW = """<script>{mermaid}</script>
<script>
  mermaid.initialize({{ startOnLoad: false, theme: "{theme}" }});
  window.drawn = mermaid.run({{ querySelector: ".mermaid" }});
</script>"""
_MERMAID_THEMES = {Theme.LIGHT: "default", Theme.DARK: "dark"}


def to_html(markdown: str) -> str:
    """As GitHub's parser makes it. Its HTML is let through: <details> is part of it, GitHub's sanitizer keeps it."""
    return str(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


def comment_page(markdown: str, theme: Theme = Theme.LIGHT, *, opened: bool = False) -> str:
    """A comment on a pull request, as a page; `opened`: with all that is folded."""
    content = to_html(markdown)
    if opened:
        content = content.replace("<details>", "<details open>")
    content, charts = _MERMAID_BLOCK.subn(r'<div class="mermaid">\1</div>', content)
    package, version = _STYLE_SHEET
    return _PAGE.format(
        style_sheet=npm_package.file(package, version, f"github-markdown-{theme}.css").read_text(),
        content=content,
        script=_drawing(theme) if charts and opened else "",
        **_COLOURS[theme],
    )


def charts_drawn(page: str) -> int:
    """How many charts a drawn page shows. Raises SystemExit where one of them is an error."""
    if 'aria-roledescription="error"' in page or "Syntax error" in html.unescape(page).split("<script>")[0]:
        raise SystemExit("Mermaid could not draw a chart")
    return page.count('aria-roledescription="xychart"')


def _drawing(theme: Theme) -> str:
    mermaid = npm_package.file("mermaid", MERMAID_VERSION, "dist/mermaid.min.js").read_text()
    return _DRAW.format(mermaid=mermaid.replace("</script", "<\\/script"), theme=_MERMAID_THEMES[theme])
