"""Checks the report of a sweep in Chromium. The page makes no network requests and writes nothing
to the console. Sorting, the selection, links, downloads and dark mode work. No text is cut off or
covered. Further pages, of other sweeps and of receptive fields, are checked for layout, console
messages and requests.

    verify-report.py SWEEP_FOLDER [PAGE.html ...]      SCREENSHOTS=FOLDER saves screenshots
"""
import csv
import io
import json
import os
import shutil
import sys

from playwright.sync_api import sync_playwright

import verify_report_figures as figures

sweep, others = sys.argv[1], sys.argv[2:]
shots = os.environ.get("SCREENSHOTS")
failures = 0

# Returns layout errors: text of a figure that extends beyond the figure or overlaps other text,
# text of the page that is cut off, and a page wider than the window. Bounding boxes of text are
# slightly larger than the letters, so they are shrunk before they are compared with each other.
LAYOUT = """() => {
  const wrong = [];
  const say = (what, element) => wrong.push(what + ': ' + (element.textContent || element.outerHTML).trim().slice(0, 60));
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push('the page is ' + root.scrollWidth + ' px wide in ' + root.clientWidth);
  const shrunk = (box) => ({ left: box.left + 1, right: box.right - 1, top: box.top + 0.2 * box.height, bottom: box.bottom - 0.2 * box.height });
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map((text) => [text, shrunk(text.getBoundingClientRect())]);
    texts.forEach(([text, box], i) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        say('outside of its figure', text);
      for (const [other, its] of texts.slice(i + 1))
        if (box.left < its.right && its.left < box.right && box.top < its.bottom && its.top < box.bottom)
          say('covers "' + other.textContent + '"', text);
    });
  }
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('svg, textarea, .scroll, .plot') || !element.clientWidth) continue;
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline') say('cut off', element);
  }
  return wrong;
}"""


def check(ok, what):
    global failures
    failures += not ok
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)


def opened(browser, path, **options):
    """Opens a page, and records its requests and its messages on the console."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto("file://" + os.path.abspath(path))
    return page


def layout(page, path, name):
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        wrong = page.evaluate(LAYOUT)
        check(not wrong, f"{name} at {width} px: no text is cut off or covered {wrong[:4] if wrong else ''}")
        if shots:
            page.screenshot(path=f"{shots}/{name}-{width}.png", full_page=True)
    asked = [url for url in page.asked if not url.startswith(("data:", "file://" + os.path.abspath(path)))]
    check(not page.said and not asked, f"{name}: nothing on the console, nothing asked {page.said[:3]} {asked[:3]}")


def column(page, table, index):
    cells = page.locator(f"#table-{table} tbody tr:not([hidden]) td:nth-child({index + 1})")
    return [cells.nth(i).get_attribute("data-v") or cells.nth(i).inner_text() for i in range(cells.count())]


def index_of(page, table, name):
    return page.locator(f"#table-{table} thead th").all_inner_texts().index(name)


def visible(page):
    return page.locator("#table-trials tbody tr:not([hidden])")


def sorting(page):
    at = index_of(page, "arms", "parameters")
    button = page.locator("#table-arms thead th button").nth(at)
    button.click()
    values = [float(v) for v in column(page, "arms", at)]
    check(len(values) > 1 and values == sorted(values, reverse=True), f"a click sorts the arms by parameters: {values}")
    button.press("Enter")
    check([float(v) for v in column(page, "arms", at)] == sorted(values), "the Enter key sorts them the other way round")
    check("sort-arms=parameters" in page.url, "the order stands in the address")
    page.reload()
    check([float(v) for v in column(page, "arms", at)] == sorted(values), "and is there again after loading anew")


def filtering(page, rows):
    seed = index_of(page, "trials", "seed")
    page.fill("#where", "seed=1")
    wanted = sum(row["seed"] == "1" for row in rows)
    check(0 < visible(page).count() == wanted < len(rows), f"a condition filters the trials: {wanted} of {len(rows)}")
    check(set(column(page, "trials", seed)) == {"1"}, "those of the other seed are hidden")
    page.fill("#where", "")
    check(visible(page).count() == len(rows), "without it all are there")


def links(page, rows):
    mark = page.locator("#cost-parameters svg g.mark[data-arm]").last
    arm = mark.get_attribute("data-arm")
    mark.hover()
    hot = page.locator("#table-arms tr.hot")
    check(hot.count() == 1 and hot.get_attribute("data-arm") == arm, "pointing at a mark lights its arm's row up")
    check(page.locator("#tip").is_visible() and bool(page.locator("#tip").inner_text()), "the mark says what it is")
    mark.click()
    wanted = sum(row["arm"] == arm for row in rows)
    check(visible(page).count() == wanted < len(rows) and "where=" in page.url, f"a click shows the trials of its arm: {wanted}")
    page.locator("#chip").click()
    check(visible(page).count() == len(rows), "a click on the chip takes it away")


def downloads(page, rows):
    def get(kind):
        with page.expect_download() as download:
            page.click(f"[data-download={kind}]")
        with open(download.value.path(), newline="") as f:
            return f.read()
    got = list(csv.DictReader(io.StringIO(get("trials-csv"))))
    same = [(row["id"], float(row["val_acc1"])) for row in got] == [(row["id"], float(row["val_acc1"])) for row in rows]
    check(same, f"the CSV holds the {len(rows)} trials of trials.csv")
    arms = list(csv.DictReader(io.StringIO(get("arms-csv"))))
    everything = json.loads(get("json"))
    check(len(arms) == len(everything["arms"]) and len(everything["trials"]) == len(rows), "arms and JSON come down whole")
    page.locator("#copy summary").click()
    check("\\begin{tabular}" in page.input_value("#latex") and page.input_value("#markdown").startswith("| arm"), "tables to copy")


def colors(browser, path):
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = opened(browser, path, color_scheme="light")
    dark = opened(browser, path, color_scheme="dark")
    lights = sum(map(int, light.evaluate(background)[4:-1].split(",")))
    check(sum(map(int, dark.evaluate(background)[4:-1].split(","))) < 150 < lights, "the page is dark where the system is")
    light.click("#theme")
    light.click("#theme")
    check(light.evaluate(background) == dark.evaluate(background), "a button makes it dark where the system is not")
    for page in (light, dark):
        page.context.close()


def fields(page, name):
    """Checks a page of receptive fields: its table can be sorted, and every figure has an SVG."""
    page.locator("#table-networks thead th button").nth(2).click()
    values = [float(v) for v in column(page, "networks", 2)]
    check(values and values == sorted(values, reverse=True), f"{name}: a click sorts by the longest path: {values}")
    drawn = page.locator("#figures figure").count()
    check(drawn > 1 and page.locator("#figures figure svg").count() == drawn, f"{drawn} figures")


def can_fail(browser, path):
    """Checks that the layout check reports errors in a page with a deliberately broken layout."""
    page = opened(browser, path, viewport={"width": 1280, "height": 900})
    page.add_style_tag(content="svg text { font-size: 30px !important; } .facts { overflow: hidden; width: 90px; white-space: nowrap; }")
    wrong = " ".join(page.evaluate(LAYOUT))
    check("covers" in wrong and "cut off" in wrong, "the layout's check finds letters that are too large and lines cut short")
    page.context.close()


SIZES = ((1400, 900), (390, 844))
# Pages whose first screen must hold the answer: a grid, pairs, one axis, failures, an unfinished one.
FIRST = ("grid", "contrasts", "quickstart", "failures", "some-failed", "half", "population")
# The number of lines against the axes of pages whose marks must stand at their values.
LINES = {"five-seeds": 1, "grid": 4, "population": 48}


def examined(browser, path, source):
    """The layout, the first screen, empty figures, positions of marks and accessibility of a page.
    A page is opened once for all of it: opening takes longer than a check."""
    name = os.path.splitext(os.path.basename(path))[0]
    page = opened(browser, path, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    layout(page, path, name)
    for width, height in SIZES if name in FIRST else ():
        end, missing = figures.first_screen(page, width, height)
        check(end <= height and not missing, f"{name} at {width} x {height}: the answer ends at {end:.0f} px {missing}")
    if name in LINES:
        page.set_viewport_size({"width": 1400, "height": 900})
        for id, found in figures.positions(page).items():
            ok = found["worst"] <= 0.5 and found["dodge"] <= 0.03 and found["marks"] > 1
            check(ok, f"{name} {id}: {found['marks']} marks, {found['lines']} lines, at most {found['worst']:.2f} px from their values")
    check(not figures.empty(page), f"{name}: no figure is empty {figures.empty(page)}")
    is_rf = os.path.basename(os.path.dirname(path)) == "rf"
    if name in FIRST or is_rf or name.startswith("eval"):
        page.set_viewport_size({"width": 390, "height": 844})
        wrong = figures.accessible(page, source)
        check(not wrong, f"{name}: axe-core finds nothing {wrong[:4]}")
    if is_rf:
        page.set_viewport_size({"width": 1280, "height": 900})
        fields(page, name)
    page.context.close()


def heights(browser, few, many):
    """A page of 40 arms is at most twice as high as one of 4."""
    of = []
    for path in (few, many):
        page = opened(browser, path, viewport={"width": 1400, "height": 900})
        of.append(page.evaluate("document.documentElement.scrollHeight"))
        page.context.close()
    check(of[1] <= 2 * of[0], f"4 arms: {of[0]} px high, 40 arms: {of[1]} px")


index = f"{sweep}/index.html"
with open(f"{sweep}/trials.csv", newline="") as f:
    rows = list(csv.DictReader(f))
with sync_playwright() as p:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = opened(browser, index, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    layout(page, index, "the sweep")
    page.set_viewport_size({"width": 1280, "height": 900})
    order = [row.get_attribute("data-trial") for row in page.locator("#table-trials tbody tr").all()]
    rows.sort(key=lambda row: order.index(row["id"]))
    sorting(page)
    filtering(page, rows)
    links(page, rows)
    downloads(page, rows)
    check(not page.said, f"nothing on the console after all of it {page.said[:3]}")
    check(len(page.pdf()) > 10_000, "it prints")
    colors(browser, index)
    can_fail(browser, index)
    source = figures.axe_source()
    by_name = {os.path.splitext(os.path.basename(path))[0]: path for path in others}
    if "quickstart" in by_name:
        page = opened(browser, by_name["quickstart"], viewport={"width": 1400, "height": 900}, accept_downloads=True)
        figures.selecting(page, check)
        figures.explained(page, check)
        figures.saved(page, browser, check)
        check(not page.said, f"nothing on the console after it {page.said[:3]}")
        page.context.close()
        heights(browser, by_name["quickstart"], by_name["many"])
        figures.touching(browser, by_name["quickstart"], check)
    if "large" in by_name:
        page = opened(browser, by_name.pop("large"), viewport={"width": 1400, "height": 900})
        figures.large(page, check)
        check(not page.said, f"nothing on the console after it {page.said[:3]}")
        page.context.close()
    for path in by_name.values():
        examined(browser, path, source)
    browser.close()
sys.exit(failures > 0)
