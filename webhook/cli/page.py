"""One HTML page: all in one file, nothing from elsewhere, no scripts; readable in dark and light, and on paper."""

import html
from collections.abc import Iterable, Sequence

_STYLE = """\
:root{color-scheme:light dark;--line:#c8ccd2;--soft:#f2f4f7;--good:#116329;--bad:#a40e26;--calm:#57606a}
@media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#1c2128;--good:#57ab5a;--bad:#f47067;--calm:#9198a1}}
body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border-bottom:1px solid var(--line);padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top}
thead th{border-bottom-width:2px}
code,pre{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);padding:.6rem .8rem;white-space:pre-wrap}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}.calm{color:var(--calm)}
ul{margin:.2rem 0;padding-left:1.2rem}
@media print{body{margin:0;max-width:none}pre,tr{break-inside:avoid}thead{display:table-header-group}}
"""


class Html(str):
    """Text that is HTML already: only what `escaped` and the functions here have made."""

    __slots__ = ()


def escaped(text: object) -> Html:
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def element(name: str, *content: object, **attributes: str) -> Html:
    """Return an element; content that is no Html is escaped. An attribute's trailing `_` is not part of its name."""
    written = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>{''.join(map(escaped, content))}</{name}>")


def items(texts: Iterable[object]) -> Html:
    """Return a list; nothing where there is nothing to list."""
    lines = [element("li", text) for text in texts]
    return element("ul", *lines) if lines else Html("")


def table(caption: str, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """Return a table whose columns, and whose rows by their first cell, have headers that a screen reader tells."""
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    body = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    return element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *(Html(f"\n{row}") for row in body)),
    )


def page(title: str, *content: object) -> str:
    """Return the whole page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"{element('title', title)}<style>\n{_STYLE}</style>"
    )
    body = element("main", element("h1", title), *(Html(f"\n{escaped(part)}") for part in content))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}\n</body></html>\n'
