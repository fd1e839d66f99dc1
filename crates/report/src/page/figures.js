
  // Tooltips of one's own, by pointer, touch and keyboard. The title of a mark is taken out of the
  // page when the mark is first pointed at, or the browser would show it too.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  // Explanations of columns and buttons are shown in the same way.
  const takeTitles = () => all("[title]").forEach((element) => {
    element.dataset.title = element.title;
    (element.querySelector("button") ?? element).setAttribute("aria-description", element.title);
    element.removeAttribute("title");
  });
  takeTitles();
  document.addEventListener("titles", takeTitles);
  const titleOf = (mark) => {
    const title = mark.querySelector(":scope > title");
    if (title) { mark.dataset.title = title.textContent; title.remove(); }
    return mark.dataset.title ?? "";
  };
  const showTip = (mark, x, y) => {
    const text = mark ? titleOf(mark) : "";
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - box.width - 4)) + "px";
    tip.style.top = (y + 16 + box.height > innerHeight ? y - box.height - 8 : y + 16) + "px";
  };
  let hot = [];
  const light = (target) => {
    hot.forEach((element) => element.classList.remove("hot"));
    hot = [];
    const arm = target?.dataset.arm, trial = target?.dataset.trial;
    if (arm || trial) {
      linked ??= all("svg [data-arm], tr[data-arm]");
      // Within the trials one row is meant; elsewhere the whole arm.
      hot = linked.filter((e) => (e.dataset.arm === arm && (e.localName !== "tr" || !e.dataset.trial || e.dataset.trial === trial)) || (trial && e.dataset.trial === trial));
      hot.forEach((element) => element.classList.add("hot"));
    }
    document.body.classList.toggle("pointing", hot.length > 0);
  };
  let pointed = null, isFirstTouch = false;
  const point = (mark, x, y) => {
    if (mark !== pointed) { light(mark?.dataset.arm ? mark : null); pointed = mark; }
    showTip(mark && (mark.closest("svg") || mark.dataset.title) ? mark : null, x, y);
  };
  const POINTED = "svg .mark, tr[data-arm], button.arm[data-arm], [data-title]";
  const markOf = (event) => event.target.closest?.(POINTED) ?? null;
  document.addEventListener("pointermove", (event) => point(markOf(event), event.clientX, event.clientY));
  document.addEventListener("pointerdown", (event) => {
    const mark = markOf(event);
    isFirstTouch = event.pointerType === "touch" && Boolean(mark?.closest("svg")) && mark !== pointed;
    point(mark, event.clientX, event.clientY);
  });
  document.addEventListener("mouseleave", () => point(null));
  document.addEventListener("focusin", (event) => {
    if (event.target.closest?.(".plot")) return;
    const box = event.target.getBoundingClientRect?.();
    point(markOf(event), box?.left, box?.bottom);
  });

  // The keyboard goes through the marks of a figure with the arrow keys; Enter selects the arm.
  for (const plot of all(".plot")) {
    let at = -1;
    const its = () => all("svg .mark", plot).filter((mark) => mark.getClientRects().length && (mark.dataset.title || mark.querySelector(":scope > title")));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      const list = step !== undefined || event.key === "Enter" ? its() : [];
      if (step !== undefined && list.length) {
        at = Math.min(list.length - 1, Math.max(0, at < 0 && step > 0 && step < Infinity ? 0 : at + step));
        const box = list[at].getBoundingClientRect();
        point(list[at], box.right, box.top);
        event.preventDefault();
      } else if (event.key === "Enter" && list[at] && isArm(list[at].dataset.arm)) {
        selectArm(list[at].dataset.arm);
      } else if (event.key === "Escape") {
        point(null);
      }
    });
    plot.addEventListener("focusout", () => { at = -1; point(null); });
  }

  // Figures of which one is shown at a time.
  for (const stack of all(".stack")) {
    const figures = all("figure", stack);
    const control = stack.querySelector("select, input");
    const turn = (index) => {
      figures.forEach((figure, i) => figure.classList.toggle("on", i === index));
      if (control.localName === "select") control.value = figures[index].id;
      else { control.value = index; control.setAttribute("aria-valuetext", figures[index].querySelector(".name").textContent); }
    };
    control.addEventListener("input", () => turn(control.localName === "select" ? figures.findIndex((f) => f.id === control.value) : Number(control.value)));
    stack.addEventListener("turn", (event) => turn(figures.indexOf(event.target)));
    turn(0);
  }

  // Anchors keep the selection: the address has both.
  const go = (id) => {
    const target = byId(id);
    if (!target) return;
    const figure = target.closest("figure");
    if (figure?.closest(".stack")) figure.dispatchEvent(new Event("turn", { bubbles: true }));
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.querySelectorAll(":scope > details.fold").forEach((fold) => { fold.open = true; });
    target.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    const id = link.getAttribute("href").slice(1);
    state.set("at", id);
    history.pushState(null, "", address());
    go(id);
  });
  // Figures as files: the picture with the rules of a light page, and the data as CSV.
  const asFile = (svg) => {
    let copied = svg.cloneNode(true);
    copied.querySelectorAll(".brush, .brushed").forEach((element) => element.remove());
    copied.setAttribute("role", "img");
    // The page has one legend for all figures; a file has its own.
    const legend = svg.closest("[data-needs-legend]") && data.legends?.[svg.getAttribute("width")];
    if (legend) {
      const whole = svg.cloneNode(false), height = Number(svg.getAttribute("height")) + legend.height;
      whole.setAttribute("height", height);
      whole.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${height}`);
      whole.innerHTML = legend.svg;
      copied.setAttribute("y", legend.height);
      whole.append(copied);
      copied = whole;
    }
    copied.querySelectorAll(".off, .hot").forEach((element) => element.classList.remove("hot"));
    copied.setAttribute("xmlns", svg.namespaceURI);
    const style = document.createElementNS(svg.namespaceURI, "style");
    style.textContent = data.figure_style;
    copied.prepend(style);
    const [width, height] = ["width", "height"].map((name) => Number(copied.getAttribute(name)));
    return { text: new XMLSerializer().serializeToString(copied), width, height };
  };
  const shownSvg = (figure) => all(".plot svg", figure).find((svg) => svg.getClientRects().length) ?? figure.querySelector("svg");
  const asPng = ({ text, width, height }) => new Promise((done) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [3 * width, 3 * height];
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(done, "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  });
  for (const button of all("[data-save]")) button.addEventListener("click", async () => {
    const figure = button.closest("figure");
    const name = `${data.summary?.name ?? "res2lab"}-${figure.id}`;
    if (button.dataset.save === "csv") {
      complete(figure);
      const table = figure.querySelector("table.text");
      const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
      const rows = [...(table?.tBodies[0].rows ?? [])].filter((row) => !row.hidden);
      return save(`${name}.csv`, new Blob([csv(cells(table.tHead.rows[0]), rows.map(cells))], { type: "text/csv" }));
    }
    drawPlots(figure);
    const file = asFile(shownSvg(figure));
    if (button.dataset.save === "svg") return save(`${name}.svg`, new Blob([file.text], { type: "image/svg+xml" }));
    save(`${name}.png`, await asPng(file));
  });
  const restore = () => {
    for (const [, again] of sorters) again();
    if (state.get("at")) go(state.get("at"));
  };
