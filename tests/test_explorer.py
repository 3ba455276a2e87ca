"""The explorer: its program, and its page in a real browser (Chromium, through Selenium).

Without Selenium, Chromium or its driver the tests of the page are skipped. The screenshot
on the exercise page was taken with

    chromium --headless --hide-scrollbars --window-size=1200,860 \\
        --screenshot=outputs/latent_explorer.png outputs/latent_explorer.html
"""

import functools
import shutil

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


def make_model(latent_dim=8):
    """A VAE of all kinds of layers with loud random weights, so that a wrong formula is seen."""
    torch.manual_seed(0)
    model = vae_model.VAE(PIXELS, 32, latent_dim)
    model.encoder = nn.Sequential(
        nn.Linear(PIXELS, 32), nn.Tanh(), nn.Dropout(), nn.Linear(32, 32, bias=False), nn.SiLU(),
        nn.Linear(32, 32), nn.Softplus(2), nn.Sequential(nn.Linear(32, 32), nn.LeakyReLU(0.2)),
        nn.ELU(0.5))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1.4 / parameter.shape[-1] ** 0.5)
    nn.init.normal_(model.fc_var.weight, std=0.02)
    nn.init.constant_(model.fc_var.bias, -2)                 # clouds that fit on the map
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
    about, wrote = capsys.readouterr().out.splitlines()
    assert f"{page.parent.name}/vae_weights.pth: 8 latent dimensions" in about
    assert about in page.read_text()
    assert str(page) in wrote
    assert not opened
    latent_explorer.main(["--output-dir", str(page.parent)])
    assert opened == [page.as_uri()]


def test_one_sentence_if_there_is_no_model_or_no_formula(write, tmp_path):
    with pytest.raises(SystemExit, match="no trained model yet"):
        latent_explorer.main(["--output-dir", str(tmp_path), "--no-browser"])
    model = make_model()
    model.encoder[1] = nn.Softmax(dim=1)
    with pytest.raises(SystemExit, match=r"Softmax \(in self.encoder"):
        write(model)


# --- the page -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    for option in ("headless", "no-sandbox", "window-size=1200,950",
                   "host-resolver-rules=MAP * ~NOTFOUND"):   # no network: a request is an error
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chromium:
        yield chromium
        assert [one for one in chromium.get_log("browser") if one["level"] == "SEVERE"] == []


@pytest.fixture
def open_page(browser, write):
    """A function that opens the page of a model."""
    return lambda model: Page(browser, model, write(model))


class Page:
    """Hands and eyes on an open page."""

    def __init__(self, browser, model, file):
        self.browser, self.model, self.run = browser, model, browser.execute_script
        browser.get(file.as_uri())

    def value(self, expression):
        return np.array(self.run(f"return {expression}"))

    def places(self, selector):
        """Where these elements of the map are: right and down, 0 to 100."""
        return self.value(f"""Array.from(document.querySelectorAll("{selector}"), found => {{
            const {{e, f}} = found.transform.baseVal[0].matrix; return [e, f]; }})""")

    def click(self, key):
        self.run(f"element('{key}').click()")

    def press_key(self, key):
        self.browser.switch_to.active_element.send_keys(key)

    def drag(self, name, *places):
        """Press at the first place and drag to the others; (0, 0) to (1, 1) is the element."""
        from selenium.webdriver import ActionChains

        element = self.browser.find_element("id", name)
        actions = ActionChains(self.browser, duration=10)
        for step, place in enumerate(places):
            right, down = (np.array(place) - 0.5) * (element.rect["width"], element.rect["height"])
            actions.move_to_element_with_offset(element, round(right), round(down))
            if step == 0:
                actions.click_and_hold()
        actions.release().perform()

    def check_views(self):
        """Everything on the page has to show z and x; returns z."""
        z, x, reach, place, seen, drawn, sliders, rmse = self.run("""
            const pixels = name => Array.from(element(name).getContext("2d").getImageData(
                0, 0, size, size).data).filter((_, k) => k % 4 == 0);
            return [z, Array.from(x), run.reach, onMap(z), pixels("decoded"), pixels("drawing"),
                z.map((_, d) => Number(element(`z${d}`).value)), element("rmse").textContent]""")
        decoded = vae_model.decode(self.model, [z])[0]
        np.testing.assert_allclose(np.array([seen, drawn]) / 255, [decoded, x], atol=0.003)
        assert float(rmse) == pytest.approx(patterns.rmse(decoded, np.array(x)), abs=1e-3)
        np.testing.assert_allclose(sliders, np.clip(z, -reach, reach), atol=0.01)
        np.testing.assert_allclose(self.places("#here")[0], np.clip(place, 0, 100), atol=1e-4)
        return np.array(z)


def test_map_and_sliders_move_the_dot(open_page):
    page = open_page(make_model())
    page.run("element('map').dispatchEvent(new PointerEvent('pointerup'))")     # pressed elsewhere
    before = page.check_views()
    texts = page.run("""return Array.from(document.querySelectorAll("#grid text"), text => [
        text.textContent, text.getBoundingClientRect().x, text.getBoundingClientRect().y])""")
    numbers = [(x, -y, float(text)) for text, x, y in texts if text[-1].isdigit()]
    left = min(numbers)[0] + 5                                # end of the column beside the map
    upwards = [n for _, n in sorted((y, n) for x, y, n in numbers if x < left)]
    assert upwards == sorted(upwards) == [n for x, _, n in sorted(numbers) if x > left]
    page.drag("frame", (0.5, 0.5), (0.6, 0.3), (0.8, 0.25))
    z = page.check_views()
    np.testing.assert_allclose(page.value("onMap(z)"), [80, 25], atol=0.3)
    outside = np.eye(8) - page.value("run.axes").T @ page.value("run.axes")
    np.testing.assert_allclose(outside @ z, outside @ before, atol=1e-6)
    page.press_key("\ue014")                                 # arrow to the right, on the map
    np.testing.assert_allclose(page.value("onMap(z)"), [81, 25], atol=0.3)
    page.run("element('z3').focus()")
    page.press_key("\ue010")                                 # the end key
    assert page.check_views()[3] == page.value("run.reach")
    page.drag("frame", (0.5, 0.5), (1.05, 0.5))
    np.testing.assert_allclose(page.value("onMap(z)"), [100, 50], atol=0.3)
    marks = page.places("#marks use")
    alone = (np.linalg.norm(marks[:, None] - marks, axis=2) > 3).sum(axis=1).argmax()
    page.drag("frame", marks[alone] / 100)
    data = exploration.make_data(exploration.SEED)
    np.testing.assert_allclose(page.value("x"), data.held_out[alone], atol=0.003)
    np.testing.assert_array_equal(page.value("run.labels"), data.labels)
    page.check_views()


@pytest.mark.parametrize("latent_dim", [2, 8])
def test_drawing_is_encoded(open_page, latent_dim):
    page = open_page(make_model(latent_dim))
    page.run("""let seed = 3; Math.random = () => (seed = seed * 16807 % 2147483647) / 2147483647;
        epsilons.forEach((_, k) => epsilons[k] = normal())""")         # the same cloud in each run
    page.press_key("c")
    assert not page.value("x").any()
    page.drag("drawing", (1 / 32, 9 / 32), (0.5, 9 / 32), (31 / 32, 9 / 32))
    x = page.value("x")
    down = (np.arange(patterns.IMAGE_SIZE) + 0.5) / patterns.IMAGE_SIZE - 9 / 32
    line = np.exp(-0.5 * (down / np.mean(patterns.LINE_WIDTH)) ** 2)         # as in the patterns
    np.testing.assert_allclose(x, line.repeat(patterns.IMAGE_SIZE), atol=0.05)
    with torch.no_grad():
        mu, log_var = page.model.encode(torch.tensor(x, dtype=torch.float32))
    np.testing.assert_allclose(page.check_views(), mu, atol=1e-5)
    np.testing.assert_allclose(page.value("code.log_var"), log_var, atol=1e-5)
    cloud = (page.places("#cloud circle") - page.value("onMap(z)")) * page.value("reach") / 50
    variance = page.value("run.axes") ** 2 @ log_var.exp().numpy()
    np.testing.assert_allclose(np.mean(cloud**2, axis=0), variance, rtol=0.35)
    page.press_key("u")
    assert not page.value("x").any()
    page.press_key("uuu")                                    # more than there is
    page.press_key("\ue009c")                                # Ctrl+C belongs to the browser
    np.testing.assert_array_equal(page.value("x"), page.value("patterns[0]"))


@pytest.mark.parametrize("hand", [Page.click, Page.press_key])
def test_buttons_and_their_keys_with_five_types(open_page, hand, monkeypatch):
    monkeypatch.setitem(patterns.DISTANCES, "ring",
                        lambda right, down: np.abs(np.hypot(right, down) - 0.25))
    for module in (patterns, exploration, latent_explorer):
        monkeypatch.setattr(module, "PATTERN_TYPES", tuple(patterns.DISTANCES))
    model = make_model()
    model.fc_mu.weight.data *= 3                                     # codes beyond 4
    page = open_page(model)
    data = exploration.make_data(exploration.SEED)
    mu = exploration.explore(model, data).mu
    assert page.value("run.reach") >= np.abs(mu).max() > 4
    for label, name in enumerate(patterns.DISTANCES):
        assert name in page.run(f"return element('{label + 1}').textContent")
        hand(page, str(label + 1))
        mean = mu[data.labels == label].mean(axis=0)
        np.testing.assert_allclose(page.check_views(), mean, atol=1e-5)
        np.testing.assert_allclose(page.places("#centers g")[label], page.places("#here")[0])
    assert page.run("return element('centers').textContent").split() == list("12345")
    hand(page, "0")
    assert not page.check_views().any()
    hand(page, "r")
    assert 0.1 < np.abs(page.check_views()).max() < 6
    hand(page, "e")
    noise = page.check_views() - page.value("code.mu")
    assert 0.1 < np.abs(noise / np.exp(page.value("code.log_var") / 2)).max() < 6
    page.run("HTMLAnchorElement.prototype.click = function () { window.saved = this; }")
    hand(page, "s")
    name, data = page.run("return [saved.download, saved.href]")
    assert name == "latent_moment.png" and data.startswith("data:image/png;base64,")
    assert len(data) < 30000                                 # a blurred picture takes more
    page.run("""window.requestAnimationFrame = draw => { window.next = draw; return 1; };
        window.cancelAnimationFrame = () => { window.next = () => 0; };""")
    hand(page, "w")
    for k in range(7):                                       # round the five types, and on
        page.run(f"next(performance.now() + {k + 1}e4)")
        np.testing.assert_allclose(page.check_views(), page.value(f"means[{k % 5}]"), atol=1e-6)
    hand(page, "w")
    page.run("next(performance.now() + 1e6)")
    np.testing.assert_allclose(page.check_views(), page.value("means[1]"), atol=1e-6)


def test_nothing_sticks_out_of_a_telephone(open_page, browser):
    page = open_page(make_model(latent_dim=64))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True})
    assert page.run("return document.documentElement.scrollWidth") == 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
