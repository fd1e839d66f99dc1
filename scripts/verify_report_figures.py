"""What is checked of a report's figures and its selection in Chromium, for scripts/verify-report.py:
the first screen, the positions of marks, empty figures, accessibility, one selection for all tables
and figures, and files saved from figures."""
import os
import re

AXE = """async () => {
  const found = await axe.run(document, { resultTypes: ['violations'] });
  return found.violations.map((v) => v.id + ': ' + v.nodes.slice(0, 2).map((n) => n.html.slice(0, 90)).join(' | '));
}"""

# The lowest end of what the first screen must hold, and which parts have no size.
FIRST_SCREEN = """() => {
  const wanted = { question: '.question', answer: '.headline', plot: '#answer svg' };
  if (document.querySelector('#banner')) wanted.banner = '#banner';
  const boxes = Object.entries(wanted).map(([name, selector]) => {
    const seen = [...document.querySelectorAll(selector)].find((element) => element.getClientRects().length);
    return [name, seen ? seen.getBoundingClientRect() : null];
  });
  return [Math.max(...boxes.map(([, box]) => box ? box.bottom : Infinity)), boxes.filter(([, box]) => !box || box.height < 8).map(([name]) => name)];
}"""

# The distance of each symbol, dot and vertex from its value, in pixels, along numeric axes. The
# scale of an axis is read from its ticks: their labels are values, their label's places positions.
POSITIONS = """(id) => {
  const svg = document.querySelector('#' + id + ' svg');
  const number = (text) => Number(text.replace('−', '-').replace(' k', 'e3').replace(' M', 'e6'));
  const middle = (text, axis) => {
    const box = text.getBBox();
    return axis === 'x' ? box.x + box.width / 2 : Number(text.getAttribute('y')) - 0.35 * 12;
  };
  let worst = 0, marks = 0, longest = 0, dodge = 0;
  for (const plot of svg.querySelectorAll('g.panel')) {
    const labels = [...plot.querySelectorAll(':scope > text.label')];
    const bottom = Math.max(...labels.filter((t) => t.getAttribute('text-anchor') === 'middle').map((t) => Number(t.getAttribute('y'))));
    const of = { x: labels.filter((t) => t.getAttribute('text-anchor') === 'middle' && Math.abs(Number(t.getAttribute('y')) - bottom) < 1),
                 y: labels.filter((t) => t.getAttribute('text-anchor') === 'end') };
    const at = {};
    for (const axis of ['x', 'y']) {
      const kind = plot.dataset[axis];
      const place = (text, i) => kind === 'cat' ? i : kind === 'log' ? Math.log10(number(text.textContent)) : number(text.textContent);
      const pairs = of[axis].map((text, i) => [place(text, i), middle(text, axis)]);
      if (pairs.length < 2) continue;
      const [[a, p], [b, q]] = [pairs[0], pairs[pairs.length - 1]];
      at[axis] = (value) => p + (value - a) / (b - a) * (q - p);
    }
    for (const mark of plot.querySelectorAll('g.mark[data-x]')) {
      const shape = mark.querySelector('.symbol, .dot, .line');
      if (!shape) continue;
      marks += 1;
      const [xs, ys] = [mark.dataset.x.split(' ').map(Number), mark.dataset.y.split(' ').map(Number)];
      const points = shape.localName === 'circle' ? [[shape.cx.baseVal.value, shape.cy.baseVal.value]]
        : shape.matches('.line') ? [...shape.getAttribute('d').matchAll(/[ML](-?[\\d.]+) (-?[\\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])])
        : [null];
      longest = Math.max(longest, xs.length);
      points.forEach((point, i) => {
        if (!point) return;
        if (at.y) worst = Math.max(worst, Math.abs(point[1] - at.y(ys[i])));
        if (!at.x) return;
        const off = Math.abs(point[0] - at.x(plot.dataset.x === 'cat' ? Math.round(xs[i]) : xs[i]));
        if (plot.dataset.x === 'cat') dodge = Math.max(dodge, off / svg.width.baseVal.value);
        else worst = Math.max(worst, off);
      });
    }
  }
  return { worst, dodge, marks, lines: svg.querySelectorAll('.line').length };
}"""

EMPTY = """() => [...document.querySelectorAll('figure')].filter((figure) => {
  const drawn = figure.querySelectorAll('svg .mark :is(circle, path, rect:not(.brush), image, text:not(:empty))');
  return !drawn.length;
}).map((figure) => figure.id)"""


def axe_source():
    """The text of axe-core, which comes with a package of checks and is no part of the product."""
    import axe_playwright_python
    with open(os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")) as f:
        return f.read()


def first_screen(page, width, height):
    """The end of the answer and its plot above the lower edge of the window, and missing parts."""
    page.set_viewport_size({"width": width, "height": height})
    end, missing = page.evaluate(FIRST_SCREEN)
    return end, missing


def accessible(page, source):
    page.evaluate("() => document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    # The page's own policy forbids scripts that are added to it, but not those of the debugger.
    page.evaluate(source)
    return page.evaluate(AXE)


def positions(page):
    """By figure against an axis: the largest distance of a mark from its value."""
    ids = page.evaluate("() => [...document.querySelectorAll('figure[id^=by-axis-]')].map((f) => f.id)")
    return {id: page.evaluate(POSITIONS, id) for id in ids}


def empty(page):
    return page.evaluate(EMPTY)


def chosen(page):
    """What a selection leaves: arms of the table, trials of the table, marks that are not faded."""
    return page.evaluate("""() => ({
      arms: document.querySelectorAll('#table-arms tbody tr:not([hidden])').length,
      trials: document.querySelectorAll('#table-trials tbody tr:not([hidden])').length,
      bright: new Set([...document.querySelectorAll('svg .mark[data-arm]:not(.off)')].map((m) => m.dataset.arm)).size,
      rows: [...document.querySelectorAll('figure[id^=cost] table.text')].map((t) => t.querySelectorAll('tbody tr:not([hidden])').length),
      chip: document.querySelector('#chip').hidden ? '' : document.querySelector('#chip').textContent,
    })""")


def selecting(page, check):
    """One selection by typing, by a click and by a brush; the address; the keyboard alone."""
    whole = chosen(page)
    page.fill("#where", "scale=4")
    typed = chosen(page)
    ok = typed["arms"] == typed["bright"] == 1 and set(typed["rows"]) == {1} and 0 < typed["trials"] < whole["trials"]
    check(ok and typed["chip"].startswith("scale=4"), f"a typed condition is followed by tables and figures: {typed}")
    page.locator("nav a[href='#cost']").click()
    check("where=scale" in page.url and "at=cost" in page.url, f"the address has the selection and the anchor: {page.url[-40:]}")
    page.reload()
    check(chosen(page) == typed, "the address restores the selection")
    page.click("#chip")
    check(chosen(page) == whole, "the chip clears it")
    page.locator("#by-axis-0 svg g.mark[data-arm]").last.click()
    clicked = chosen(page)
    check(clicked["arms"] == clicked["bright"] == 1, f"a click on a mark selects its arm: {clicked['chip']}")
    page.click("#chip")
    brush = page.locator("#parallel svg .brush").last
    brush.scroll_into_view_if_needed()
    box = brush.bounding_box()
    page.mouse.move(box["x"] + 13, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + 13, box["y"] + box["height"] * 0.3, steps=4)
    page.mouse.up()
    brushed = chosen(page)
    check(0 < brushed["arms"] < whole["arms"] and "mean>=" in brushed["chip"], f"a brush selects a range: {brushed['arms']} arms, {brushed['chip']}")
    page.click("#chip")
    brush.focus()
    for _ in range(4):
        brush.press("ArrowUp")
    by_keys = chosen(page)
    value = brush.get_attribute("aria-valuetext")
    check(0 < by_keys["arms"] < whole["arms"] and "mean>=" in by_keys["chip"], f"and so do arrow keys: {by_keys['arms']} arms, {value}")
    brush.press("Shift+ArrowDown")
    check("mean<=" in chosen(page)["chip"], f"with Shift its upper end: {chosen(page)['chip']}")
    brush.press("Escape")
    check(chosen(page) == whole, "Escape takes the whole column again")
    first = page.locator("#parallel svg .brush").first
    first.focus()
    first.press("ArrowUp")
    check("scale=4,6,8" in chosen(page)["chip"], f"an axis goes by its values: {chosen(page)['chip']}")
    first.press("Escape")
    page.locator("#by-axis-0 .plot").focus()
    page.keyboard.press("End")
    tip = page.locator("#tip")
    said = tip.inner_text() if tip.is_visible() else ""
    page.keyboard.press("Enter")
    check(bool(said) and chosen(page)["arms"] == 1, f"the keyboard reads a mark and selects its arm: {said}")
    page.click("#chip")


def explained(page, check):
    """What a column means is said to the pointer and to the keyboard alike."""
    tip = page.locator("#tip")
    head = page.locator("#table-arms thead th[data-title] button").nth(1)
    head.focus()
    by_key = tip.inner_text() if tip.is_visible() else ""
    page.locator("#where").focus()
    hidden = not tip.is_visible()
    head.hover()
    by_pointer = tip.inner_text() if tip.is_visible() else ""
    check(by_key and by_key == by_pointer and hidden, f"a column says what it means, by keyboard and pointer: {by_key}")


def large(page, check):
    """A page of 500 arms draws figures where they are seen, and takes rows from its data."""
    far = page.locator("#cost-parameters")
    check(not far.locator("svg").count(), "large: a figure far below is not drawn when the page opens")
    far.scroll_into_view_if_needed()
    far.locator("svg .mark").first.wait_for(state="attached")
    page.fill("#where", "scale=4 seed=1")
    arms = page.locator("#table-arms tbody tr:not([hidden])")
    said = page.locator("#shown").inner_text()
    more = page.locator("#more-arms")
    check(arms.count() == 100 and more.text_content() == "Show all 125", f"large: the first of many arms are shown: {said}")
    more.click()
    check(arms.count() == 125, "large: a button shows all that match")
    faded = far.locator("svg .mark.off").count()
    page.locator("#training").scroll_into_view_if_needed()
    later = page.locator("#curve-acc1 svg .mark.off")
    later.first.wait_for(state="attached")
    check(faded > 0 and later.count() > 0, f"large: what is drawn later follows the selection: {faded}, {later.count()} marks")
    trials = page.locator("#table-trials tbody tr:not([hidden])")
    seeds = set(trials.locator("td:nth-child(6)").all_inner_texts())
    check(trials.count() == 100 and seeds == {"1"}, f"large: trials come from the data: {trials.count()}, seeds {seeds}")
    page.locator("#table-trials thead button", has_text="val/acc1").click()
    best = page.evaluate("""() => {
      const values = [...document.querySelectorAll('#table-trials tbody tr:not([hidden])')].map((row) => Number(row.querySelector('td.number[data-v]').dataset.v));
      const at = JSON.parse(document.getElementById('data').textContent);
      const [acc, scale, seed] = ['val_acc1', 'scale', 'seed'].map((name) => at.trial_columns.indexOf(name));
      const wanted = at.trial_rows.filter((row) => row[scale] === '4' && row[seed] === 1).map((row) => row[acc]);
      return [values[0], Math.max(...wanted), values.every((v, i) => !i || values[i - 1] >= v)];
    }""")
    check(best[0] == best[1] and best[2], f"large: sorting goes over all trials, not over those shown: {best}")


def touching(browser, path, check):
    """The first touch of a mark shows what it is, the second selects its arm."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto("file://" + os.path.abspath(path))
    whole = chosen(page)
    mark = page.locator("#by-axis-0 svg g.mark[data-arm] .symbol").first
    mark.scroll_into_view_if_needed()
    mark.tap()
    tip = page.locator("#tip")
    said = tip.inner_text() if tip.is_visible() else ""
    check(bool(said) and chosen(page) == whole, f"a touch shows what a mark is: {said}")
    mark.tap()
    check(chosen(page)["arms"] == 1, f"a second touch selects its arm: {chosen(page)['chip']}")
    context.close()


def saved(page, browser, check):
    """A figure saved as SVG looks in a page of its own as it does in the report."""
    plot = page.locator("#by-axis-0 .plot svg")
    plot.scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    page.evaluate("() => document.querySelector('#by-axis-0 details').open = true")
    before = plot.screenshot()
    with page.expect_download() as download:
        page.click("#by-axis-0 [data-save=svg]")
    with open(download.value.path()) as f:
        text = f.read()
    check("var(" not in text and text.startswith("<svg") and "<style" in text, f"a saved SVG stands alone: {len(text)} bytes")
    alone = browser.new_page(viewport={"width": 900, "height": 700})
    alone.set_content(f"<body style='margin:0'>{re.sub('<[?].*?[?]>', '', text)}</body>")
    inner = alone.locator("svg svg")
    place = [float(inner.get_attribute(name)) for name in ("y", "width", "height")]
    after = alone.screenshot(clip={"x": 0, "y": place[0], "width": place[1], "height": place[2]})
    texts = alone.locator("svg .legend text").all_text_contents()
    named = page.locator("#key .key").all_text_contents()
    words = " ".join(named).split()
    check(bool(texts) and sorted(" ".join(texts).split()) == sorted(words), f"it has the page's legend: {texts}")
    share = page.evaluate("""async ([a, b]) => {
      const load = (data) => new Promise((done) => { const i = new Image(); i.onload = () => done(i); i.src = 'data:image/png;base64,' + data; });
      const [one, two] = await Promise.all([load(a), load(b)]);
      const [w, h] = [Math.min(one.width, two.width), Math.min(one.height, two.height)];
      const pixels = (image) => { const c = document.createElement('canvas'); c.width = w; c.height = h; const x = c.getContext('2d'); x.drawImage(image, 0, 0); return x.getImageData(0, 0, w, h).data; };
      const [p, q] = [pixels(one), pixels(two)];
      let far = 0;
      for (let i = 0; i < p.length; i += 4) far += Math.abs(p[i] - q[i]) + Math.abs(p[i + 1] - q[i + 1]) + Math.abs(p[i + 2] - q[i + 2]) > 96;
      return far / (w * h);
    }""", [__import__("base64").b64encode(before).decode(), __import__("base64").b64encode(after).decode()])
    check(share < 0.01, f"opened by itself it looks the same: {100 * share:.2f} % of the pixels differ")
    alone.close()
    with page.expect_download() as download:
        page.click("#by-axis-0 [data-save=png]")
    check(open(download.value.path(), "rb").read(8) == b"\x89PNG\r\n\x1a\n", "a figure is saved as PNG")
