"""The explorer: its program, and its page in a real browser (Chromium, through Selenium).

Without Selenium, Chromium or its driver the tests of the page are skipped. The screenshot
on the exercise page was taken with

    chromium --headless --hide-scrollbars --window-size=1200,860 \\
        --screenshot=outputs/latent_explorer.png outputs/latent_explorer.html
"""

import functools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import latent_space_exploration as exploration
import patterns
import vae_model
from solutions import latent_explorer

PIXELS = patterns.IMAGE_SIZE**2
TYPE_MARKER = functools.cache(exploration.type_marker)       # saves two seconds
NEXT_FRAME = "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()))"


def make_model(name="default", latent_dim=8):
    """A VAE with loud random weights, so that a wrong formula is seen."""
    torch.manual_seed(0)
    model = vae_model.VAE(PIXELS, 32, latent_dim)
    if name == "shallow":
        model.encoder = nn.Sequential(nn.Linear(PIXELS, 32), nn.ReLU())
        model.decoder = nn.Sequential(nn.Linear(latent_dim, PIXELS), nn.Sigmoid())
    elif name == "deep":
        model.encoder = nn.Sequential(
            nn.Linear(PIXELS, 32), nn.Tanh(), nn.Dropout(), nn.Linear(32, 32, bias=False),
            nn.SiLU(), nn.Linear(32, 32), nn.Softplus(2),
            nn.Sequential(nn.Linear(32, 32), nn.LeakyReLU(0.2)), nn.ELU(0.5))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1.4 / parameter.shape[-1] ** 0.5)
    nn.init.normal_(model.fc_var.weight, std=0.02)           # clouds that fit on the map
    return model.eval()


@pytest.fixture
def write(monkeypatch, tmp_path):
    """A function that lets the program write the page of a model, and returns its path."""
    monkeypatch.setattr(exploration, "NUM_TRAIN", 4)         # not needed here
    monkeypatch.setattr(exploration, "type_marker", TYPE_MARKER)

    def write_page(model):
        monkeypatch.setattr(vae_model, "VAE", lambda latent_dim: model)
        torch.save(model.state_dict(), tmp_path / vae_model.WEIGHTS_FILE)
        latent_explorer.main(["--output-dir", str(tmp_path), "--no-browser"])
        return tmp_path / latent_explorer.PAGE
    return write_page


# --- the program --------------------------------------------------------------------------
def test_program_writes_the_page_and_opens_it(write, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(latent_explorer.webbrowser, "open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    page = write(make_model())
    run = json.loads(re.search(r'type="application/json">(.*?)</script>', page.read_text())[1])
    assert [one["name"] for one in run["types"]] == list(patterns.PATTERN_TYPES)
    assert f"{page.parent.name}/vae_weights.pth: 8 latent dimensions" in run["about"]
    assert str(page) in capsys.readouterr().out
    assert not opened
    latent_explorer.main(["--output-dir", str(page.parent)])
    assert opened == [page.as_uri()]


def test_one_sentence_if_there_is_no_model(tmp_path):
    with pytest.raises(SystemExit, match="no trained model yet"):
        latent_explorer.main(["--output-dir", str(tmp_path), "--no-browser"])


def test_one_sentence_names_a_layer_without_formula(write):
    model = make_model()
    model.encoder[1] = nn.Softmax(dim=1)
    with pytest.raises(SystemExit, match=r"Softmax \(in self.encoder"):
        write(model)


def test_page_names_no_address():
    page = Path(latent_explorer.__file__).with_name(latent_explorer.PAGE).read_text()
    assert "http" not in re.sub(r"(?s:<!--.*?-->)|//.*", "", page)


# --- the page -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-sync",
                   "disable-background-networking", "disable-component-update",
                   "window-size=1200,950", f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chromium:
        yield chromium


@pytest.fixture
def open_page(browser, write):
    """A function that opens the page of a model; its errors and requests fail the test."""
    def open_page_of(model):
        browser.get(write(model).as_uri())
        return Page(browser, model)
    yield open_page_of
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    address = browser.current_url
    requests = {event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"
                and event["params"]["documentURL"] == address}
    assert requests - {"data:,"} == {address}                # the page itself, no icon


class Page:
    """Hands and eyes on an open page."""

    def __init__(self, browser, model):
        self.browser, self.model, self.run = browser, model, browser.execute_script

    def value(self, expression):
        return np.array(self.run(f"return {expression}"))

    def click(self, key):
        self.run(f"element('{key}').click()")

    def press_key(self, key):
        self.browser.switch_to.active_element.send_keys(key)

    def drag(self, name, *places):
        """Press at the first place and drag to the others; (0, 0) to (1, 1) is the element."""
        box = self.run(f"return element('{name}').getBoundingClientRect().toJSON()")
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.browser, duration=10)
        pointer = actions.w3c_actions.pointer_action
        for step, (right, down) in enumerate(places):
            pointer.move_to_location(round(box["left"] + right * box["width"]),
                                     round(box["top"] + down * box["height"]))
            if step == 0:
                pointer.pointer_down()
        pointer.pointer_up()
        actions.perform()

    def check_views(self):
        """Everything on the page has to show z and x; returns z."""
        z, x, reach, place, seen, drawn, sliders, rmse, dot = self.run("""
            const pixels = name => Array.from(element(name).getContext("2d").getImageData(
                0, 0, size, size).data).filter((_, k) => k % 4 == 0);
            return [z, Array.from(x), run.reach, onMap(z), pixels("decoded"), pixels("drawing"),
                z.map((_, d) => Number(element(`z${d}`).value)), element("rmse").textContent,
                element("here").getAttribute("transform").match(/[-.\\d]+/g)]""")
        decoded = vae_model.decode(self.model, [z])[0]
        np.testing.assert_allclose(np.array(seen) / 255, decoded, atol=0.003)
        np.testing.assert_allclose(np.array(drawn) / 255, x, atol=0.003)
        assert float(rmse) == pytest.approx(patterns.rmse(decoded, np.array(x)), abs=1e-3)
        np.testing.assert_allclose(sliders, np.clip(z, -reach, reach), atol=0.01)
        np.testing.assert_allclose(np.array(dot, float), np.clip(place, 0, 100))
        return np.array(z)


@pytest.mark.parametrize("name, latent_dim", [
    ("default", 8), ("default", 2), ("default", 64), ("deep", 8), ("shallow", 8)])
def test_network_agrees_with_torch(open_page, name, latent_dim):
    page = open_page(make_model(name, latent_dim))
    page.check_views()
    z, x = torch.randn(50, latent_dim), torch.rand(50, PIXELS)
    with torch.no_grad():
        expected = [page.model.decoder(z), *page.model.encode(x)]
    seen = page.run("const codes = arguments[1].map(encode); return [arguments[0].map(decode),"
                    "codes.map(c => c.mu), codes.map(c => c.log_var)]", z.tolist(), x.tolist())
    for values, reference in zip(seen, expected):
        assert reference.std() > 0.01
        np.testing.assert_allclose(values, reference, atol=1e-5)


def test_map_and_sliders_move_the_dot(open_page):
    page = open_page(make_model())
    before = page.check_views()
    page.drag("frame", (0.5, 0.5), (0.6, 0.3), (0.8, 0.25))
    z = page.check_views()
    np.testing.assert_allclose(page.value("onMap(z)"), [80, 25], atol=0.3)
    outside = np.eye(8) - page.value("run.axes").T @ page.value("run.axes")
    np.testing.assert_allclose(outside @ z, outside @ before, atol=1e-6)
    page.press_key("\ue014")                                 # arrow to the right, on the map
    np.testing.assert_allclose(page.value("onMap(z)"), [81, 25], atol=0.3)
    page.run("element('z3').focus()")
    page.press_key("\ue010")                                 # the end key
    assert page.check_views()[3] == page.run("return run.reach")
    page.drag("frame", (0.5, 0.5), (1.05, 0.5))
    np.testing.assert_allclose(page.value("onMap(z)"), [100, 50], atol=0.3)


def test_pressed_mark_gives_its_pattern(open_page):
    page = open_page(make_model())
    alone = page.run("return codes.findIndex("
                     "a => codes.every(b => a === b || distance(onMap(a), onMap(b)) > 3))")
    page.drag("frame", page.value(f"onMap(codes[{alone}])") / 100)
    held_out = exploration.make_data(exploration.SEED).held_out.numpy()
    np.testing.assert_allclose(page.value("x"), held_out[alone], atol=0.003)
    page.check_views()


def test_drawing_is_encoded(open_page):
    page = open_page(make_model())
    page.press_key("c")
    assert not page.value("x").any()
    page.drag("drawing", (1 / 32, 9 / 32), (0.5, 9 / 32), (31 / 32, 9 / 32))
    x = page.value("x")
    down = (np.arange(patterns.IMAGE_SIZE) + 0.5) / patterns.IMAGE_SIZE - 9 / 32
    line = np.exp(-0.5 * (down / np.mean(patterns.LINE_WIDTH)) ** 2)         # as in the patterns
    np.testing.assert_allclose(x, line.repeat(patterns.IMAGE_SIZE), atol=0.05)
    with torch.no_grad():
        mu, _ = page.model.encode(torch.tensor(x[None], dtype=torch.float32))
    np.testing.assert_allclose(page.check_views(), mu[0], atol=1e-5)
    page.press_key("u")
    page.press_key("u")
    np.testing.assert_array_equal(page.value("x"), page.value("patterns[0]"))


@pytest.mark.parametrize("hand", [Page.click, Page.press_key])
def test_buttons_and_their_keys_with_five_types(open_page, hand, monkeypatch):
    monkeypatch.setitem(patterns.DISTANCES, "ring",
                        lambda right, down: np.abs(np.hypot(right, down) - 0.25))
    for module in (patterns, exploration, latent_explorer):
        monkeypatch.setattr(module, "PATTERN_TYPES", tuple(patterns.DISTANCES))
    page = open_page(make_model())
    data = exploration.make_data(exploration.SEED)
    mu = exploration.explore(page.model, data).mu
    for label in range(len(patterns.DISTANCES)):
        hand(page, str(label + 1))
        mean = mu[data.labels == label].mean(axis=0)
        np.testing.assert_allclose(page.check_views(), mean, atol=1e-5)
    hand(page, "0")
    assert not page.check_views().any()
    hand(page, "r")
    assert 0.1 < np.abs(page.check_views()).max() < 6
    hand(page, "e")
    sigma = np.exp(page.value("code.log_var") / 2)
    assert 0.1 < np.abs((page.check_views() - page.value("code.mu")) / sigma).max() < 6
    page.run("HTMLAnchorElement.prototype.click = function () { window.saved = this; }")
    hand(page, "s")
    assert page.run("return saved.download + saved.href").startswith(
        "latent_moment.pngdata:image/png;base64,")
    hand(page, "w")
    before = page.value("z")
    page.browser.execute_async_script(NEXT_FRAME)
    assert (page.value("z") != before).any()
    hand(page, "w")
    stopped = page.check_views()
    page.browser.execute_async_script(NEXT_FRAME)
    np.testing.assert_array_equal(page.value("z"), stopped)


def test_nothing_sticks_out_of_a_telephone(open_page, browser):
    page = open_page(make_model(latent_dim=64))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True})
    assert page.run("return document.documentElement.scrollWidth") == 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
