"""The page, in a real browser, against the real server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_edge.serve.page import page, policy
from tests.unit.infer.serve.chromium import Tab, browsing
from tests.unit.infer.serve.conftest import serving

needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")

SEVEN = [(0.25, 0.25), (0.45, 0.24), (0.7, 0.24), (0.6, 0.45), (0.5, 0.65), (0.42, 0.85)]
ONE = [(0.3, 0.2), (0.29, 0.5), (0.28, 0.8)]


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    with browsing(tmp_path / "profile") as tab:
        yield tab
        assert tab.problems == []


def answer(tab: Tab) -> str:
    """The answer, once there is one."""
    text: str = tab.wait_for("document.getElementById('answer').textContent.trim()")
    return text


def note(tab: Tab, part: str) -> None:
    """Waits until the note under the answer has a part."""
    tab.wait_for(f"document.getElementById('note').textContent.includes({part!r})")


def test_page_is_one_small_file_of_its_own() -> None:
    html = page()
    assert len(html.encode()) < 60_000
    assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", html)
    assert not re.search(r"\s(?:style|on[a-z]+)=", html)
    assert policy(html).count("sha256-") == len(re.findall("<(?:script|style)", html)) == 2


@needs_chromium
@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_drawn_seven_is_read(touch: bool, tab: Tab, server: str) -> None:
    tab.open(server, *((360, 640) if touch else (1000, 900)))
    tab.box("#sheet")
    before = tab.run("scrollY")
    tab.draw(SEVEN, touch=touch)
    assert tab.run("scrollY") == before
    assert answer(tab) == "7"
    note(tab, "% sure")
    assert len(tab.run("[...document.querySelectorAll('#bars tr')].map(r => r.innerText)")) == 10
    tab.wait_for("document.getElementById('seen').naturalWidth === 28")
    assert re.fullmatch(r"[\d.]+ ms on the device", tab.run("time.textContent"))
    tab.click("#clear")
    note(tab, "Nothing is drawn")
    assert tab.run("document.getElementById('bars').hidden")


@needs_chromium
def test_file_is_sent_as_it_is(tab: Tab, server: str, samples: Path) -> None:
    photo = samples / "6-card.jpg"
    tab.open(server)
    tab.run(
        "window.sent = null; const own = window.fetch; window.fetch = async (path, options) => {"
        " window.sent = [...new Uint8Array(await options.body.arrayBuffer())];"
        " return own(path, options); }; 0"
    )
    tab.choose("#file", photo)
    assert answer(tab) == "6"
    assert bytes(tab.run("window.sent")) == photo.read_bytes()


@needs_chromium
@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_dropped_and_pasted_pictures_are_read(
    kind: str, tab: Tab, server: str, samples: Path
) -> None:
    content = list((samples / "3-pen.png").read_bytes())
    tab.open(server)
    data = "dataTransfer" if kind == "drop" else "clipboardData"
    event = "DragEvent" if kind == "drop" else "ClipboardEvent"
    tab.run(
        f"(() => {{ const data = new DataTransfer();"
        f" data.items.add(new File([new Uint8Array({content})], '3.png', {{type: 'image/png'}}));"
        f" document.dispatchEvent(new {event}({kind!r}, {{{data}: data, bubbles: true}})); }})()"
    )
    assert answer(tab) == "3"


@needs_chromium
def test_number_is_read_with_boxes(tab: Tab, server: str, samples: Path) -> None:
    tab.open(server)
    tab.click("input[value=read]")
    tab.choose("#file", samples / "numbers" / "postcode.jpg")
    assert answer(tab) == "19978"
    tab.wait_for("!document.getElementById('boxes-figure').hidden")
    assert tab.run("document.getElementById('boxes').width") > 100
    assert tab.run("document.getElementById('boxes-text').textContent").count("%") == 5


@needs_chromium
def test_drawn_number_and_one_digit_in_turn(tab: Tab, server: str) -> None:
    tab.open(server)
    tab.click("input[value=read]")
    for left, stroke in ((0.4, ONE), (0.6, SEVEN)):
        tab.draw([(left + x / 2, 0.2 + y / 2) for x, y in stroke])
    tab.wait_for("document.getElementById('answer').textContent === '17'")
    tab.click("input[value=predict]")
    note(tab, "several digits")


@needs_chromium
def test_blank_and_unreadable_pictures_are_said(tab: Tab, server: str, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (300, 300), 255).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    tab.open(server)
    tab.choose("#file", tmp_path / "blank.png")
    note(tab, "No digit was found")
    tab.choose("#file", tmp_path / "text.png")
    note(tab, "not an image")
    tab.problems.clear()  # the browser notes the status 415


@needs_chromium
def test_unsure_prediction_is_said(tab: Tab, samples: Path) -> None:
    with serving("--min-confidence", "1") as server:
        tab.open(server.url)
        tab.choose("#file", samples / "7-chalk.jpg")
        note(tab, "Unsure: perhaps 7")
        assert answer(tab) == "?"


@needs_chromium
def test_token_of_the_address_is_used_and_hidden(tab: Tab, samples: Path) -> None:
    with serving("--token", "a b&c") as server:
        tab.open(f"{server.url}/")
        tab.choose("#file", samples / "7-chalk.jpg")
        note(tab, "A token is needed")
        tab.problems.clear()  # the browser notes the status 401
        tab.call("Page.navigate", url="about:blank")
        tab.open(f"{server.url}/#token=a%20b%26c")
        assert tab.run("location.hash") == ""
        tab.choose("#file", samples / "7-chalk.jpg")
        assert answer(tab) == "7"


@needs_chromium
def test_keyboard_alone(tab: Tab, server: str) -> None:
    tab.open(server)
    tab.draw(SEVEN)
    assert answer(tab) == "7"
    tab.press("z", 90, modifiers=2)
    note(tab, "Nothing is drawn")
    reached = set()
    for _ in range(12):
        tab.press("Tab", 9)
        reached.add(tab.run("document.activeElement.id || document.activeElement.value"))
    assert {"predict", "sheet", "clear", "file", "photo"} <= reached


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_scrolls_sideways(width: int, dark: bool, tab: Tab, server: str) -> None:
    tab.open(server, width, 640, dark=dark)
    tab.draw(SEVEN)
    assert answer(tab) == "7"
    assert tab.run("document.documentElement.scrollWidth") <= width


@needs_chromium
def test_only_the_device_is_asked(tab: Tab, server: str) -> None:
    tab.open(server)
    tab.draw(SEVEN)
    assert answer(tab) == "7"
    asked = {request["url"] for request in tab.requests if not request["url"].startswith("data:")}
    assert asked
    assert all(url.startswith(server) for url in asked)
