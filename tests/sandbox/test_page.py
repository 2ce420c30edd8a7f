"""The page as it is served: what it shows, its languages, its safety; and the catalogue's completeness."""

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from sandbox.i18n import LANGUAGES, LOCALES, choose_language
from tests.sandbox.running import RunningSandbox, event


def page(sandbox: RunningSandbox, path: str = "/", **headers: str) -> str:
    answer = sandbox.call("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert answer.status == 200
    return str(answer.json.decode())


def test_it_works(sandbox: RunningSandbox) -> None:
    sandbox.send([event(1, name="Signed up"), event(2, name="Purchased")])
    sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1"]})
    shown = page(sandbox)
    for words in ("Mixpanel sandbox", "Signed up", "Purchased", "Power users", "sandbox-api-secret"):
        assert words in shown
    assert "Signed up" in page(sandbox, "/?q=SIGNED")
    assert "user-2" not in page(sandbox, "/?q=signed")
    assert "user-1" not in page(sandbox, "/?event=Purchased&q=user")


def test_an_empty_sandbox_says_what_to_do(sandbox: RunningSandbox) -> None:
    shown = page(sandbox)
    assert "There are no cohorts yet." in shown
    assert f"No events yet. Send some to {sandbox.url}/import." in shown


def test_only_the_latest_fifty(sandbox: RunningSandbox) -> None:
    sandbox.send([event(number) for number in range(60)])
    shown = page(sandbox)
    assert shown.count("<details") == 50
    assert "The latest 50 of 60 are shown." in shown


def test_what_is_sent_in_is_escaped(sandbox: RunningSandbox) -> None:
    bad = "<script>alert(1)</script>"
    sandbox.send([event(1, name=bad, distinct_id=bad, note=bad)])
    sandbox.call("POST", "/sandbox/cohorts", {"name": bad, "description": bad})
    shown = page(sandbox)
    assert bad not in shown
    assert "&lt;script&gt;" in shown


def test_no_foreign_script_may_run(sandbox: RunningSandbox) -> None:
    headers = sandbox.call("GET", "/").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_japanese_by_header_and_by_choice(sandbox: RunningSandbox) -> None:
    assert 'lang="ja"' in page(sandbox, Accept_Language="ja-JP,ja;q=0.9,en;q=0.8")
    assert "コホートを作成" in page(sandbox, Accept_Language="ja")
    answer = sandbox.http.request("GET", f"{sandbox.url}/?lang=ja", redirect=False)
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert "コホートを作成" in page(sandbox, Cookie=cookie, Accept_Language="en")


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        (None, "", "en"),
        (None, "fr", "en"),
        (None, "en;q=0.1,ja", "ja"),
        (None, "ja;q=x", "en"),
        ("en", "ja", "en"),
        ("xx", "ja", "ja"),
    ],
)
def test_choosing_a_language(cookie: str | None, header: str, language: str) -> None:
    assert choose_language(cookie, header) == language


def test_static_files(sandbox: RunningSandbox) -> None:
    for name in ("sandbox.css", "sandbox.js", "icon.svg"):
        assert sandbox.call("GET", f"/static/{name}").status == 200
    assert sandbox.call("GET", "/static/../config.py").status == 404


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_the_catalogue_is_complete(language: str) -> None:
    methods = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
    options = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
    found = {row[2] for row in extract_from_dir(LOCALES.parent, methods, options, keywords={"_": None}) if row[2]}
    with (LOCALES / language / "LC_MESSAGES" / "django.po").open("rb") as source:
        catalogue = read_po(source, locale=language)
    translated = {message.id for message in catalogue if message.id and message.string and not message.fuzzy}
    assert found - translated == set(), "missing or fuzzy"
    assert {message.id for message in catalogue if message.id} - found == set(), "no longer used"
    for message in catalogue:
        assert list(message.check(catalogue)) == []
