"""The few web pages: who signs in and what is allowed. No script, and clearly not the real thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import HTMLResponse

from valetkey.sandbox.people import PEOPLE

HEADERS = {
    # No form-action: browsers apply it to the redirect that answers the form, which leads back to the client.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}

FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · {{ brand.title }} sandbox</title>
<style>
  :root { --brand: {{ brand.colour }}; color-scheme: light dark }
  * { box-sizing: border-box }
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: #f3f4f6; color: #1f2430 }
  .warning { background: #fde68a; color: #4a3200; text-align: center; padding: .5rem 1rem; font-weight: 600 }
  main { max-width: 30rem; margin: 2.5rem auto; background: #fff; border-radius: .75rem; overflow: hidden;
         border-top: .4rem solid var(--brand); box-shadow: 0 1px 3px #0003 }
  section { padding: 1.5rem 2rem } section + section { border-top: 1px solid #8883 }
  h1 { font-size: 1.35rem; margin: 0 0 .5rem } h2 { font-size: 1rem; margin: 0 0 .5rem }
  small { display: block; color: #667085; overflow-wrap: anywhere }
  label { display: flex; gap: .75rem; align-items: baseline; padding: .5rem; border-radius: .5rem;
          cursor: pointer }
  label:hover { background: #8881 } input { accent-color: var(--brand) }
  section > small { padding: .25rem .5rem } .buttons { display: flex; gap: .75rem; justify-content: flex-end }
  button { font: inherit; padding: .5rem 1.5rem; border-radius: .5rem; border: 1px solid #8886;
           background: none; color: inherit; cursor: pointer }
  button.main { background: var(--brand); border-color: var(--brand); color: #fff }
  @media (prefers-color-scheme: dark) { body { background: #14161b; color: #e6e8ee }
    main { background: #1e2128 } small { color: #98a2b3 } }
</style></head><body>
<div class="warning" role="note">Sandbox - not the real {{ brand.title }}</div>
<main>{% block content %}{% endblock %}</main>
</body></html>"""

CONSENT = """{% extends "frame" %}{% block content %}
<form method="post">
<section><h1>Choose an account</h1>
{% for person in people %}<label>
<input type="radio" name="account" value="{{ person.email }}" required
{%- if person.email == chosen %} checked{% endif %}>
<span>{{ person.name }}<small>{{ person.email }}</small></span></label>
{% endfor %}</section>
<section><h2>{{ client }} asks to</h2>
{% for scope, words in boxes %}<label>
{% if granular %}<input type="checkbox" name="scope" value="{{ scope }}" checked>
{%- else %}<span>•</span>{% endif %}
<span>{{ words }}<small>{{ scope }}</small></span></label>
{% endfor %}<small>You will be sent back to {{ host }}.</small></section>
<section class="buttons"><button name="decision" value="cancel" formnovalidate>Cancel</button>
<button name="decision" value="allow" class="main">Allow</button></section>
</form>{% endblock %}"""

REFUSAL = """{% extends "frame" %}{% block content %}
<section><h1>Access blocked: this request is not valid</h1>
<p>{{ text[:1]|upper }}{{ text[1:] }}.</p><small>Error 400: {{ error }}</small></section>{% endblock %}"""

PAGES = Environment(
    loader=DictLoader({"frame": FRAME, "consent": CONSENT, "refusal": REFUSAL}),
    autoescape=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Brand:
    """How a provider's pages name and colour themselves."""

    title: str
    colour: str


def consent_page(
    brand: Brand, client: str, host: str, boxes: Sequence[tuple[str, str]], login_hint: str, *, granular: bool
) -> HTMLResponse:
    """Show the account chooser and the scopes, as (scope, what it allows)."""
    known = [person.email for person in PEOPLE]
    chosen = login_hint.lower() if login_hint.lower() in known else known[0]
    page = PAGES.get_template("consent").render(
        title="Sign in",
        brand=brand,
        people=PEOPLE,
        chosen=chosen,
        client=client,
        host=host,
        boxes=boxes,
        granular=granular,
    )
    return HTMLResponse(page, headers=HEADERS)


def refusal_page(brand: Brand, error: str, text: str) -> HTMLResponse:
    """Say why the request is refused, to the person: the client is not to be trusted with it."""
    page = PAGES.get_template("refusal").render(title="Access blocked", brand=brand, error=error, text=text)
    return HTMLResponse(page, 400, headers=HEADERS)
