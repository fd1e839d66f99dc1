// State, colors, sorting and downloads; selection.js and figures.js follow in the same function. The
// page is whole without any of it.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const PAGE = 100;

  // State lives in the URL's fragment, so that a link shows what its sender saw.
  // The anchor is a part of it: `#where=depth%3D20&at=cost`.
  const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  if (location.hash && !location.hash.includes("=")) state.set("at", location.hash.slice(1));
  const address = () => "#" + state;
  const remember = (key, value) => {
    if (value) state.set(key, value);
    else state.delete(key);
    history.replaceState(null, "", address());
  };

  // Colors: as the system, light, dark.
  const theme = byId("theme");
  const themes = { auto: "◐ auto", light: "○ light", dark: "● dark" };
  const stored = () => { try { return localStorage.getItem("res2lab-theme"); } catch { return null; } };
  const setTheme = (name) => {
    document.documentElement.dataset.theme = name;
    theme.textContent = themes[name];
    const said = "Colors: " + (name === "auto" ? "as the system" : name);
    theme.title = said;
    document.dispatchEvent(new Event("titles"));
    try { localStorage.setItem("res2lab-theme", name); } catch { /* a page from a file may have no storage */ }
  };
  setTheme(themes[stored()] ? stored() : "auto");
  theme.addEventListener("click", () => {
    const names = Object.keys(themes);
    setTheme(names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length]);
  });

  // Sorting. Numbers as numbers, text in natural order, cells without a value last.
  const sortKey = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.v ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  const sort = (table, column, down) => {
    const keyed = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
    keyed.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : down ? compare(b, a) : compare(a, b));
    table.tBodies[0].append(...keyed.map(([, row]) => row));
    [...table.tHead.rows[0].cells].forEach((th, i) => {
      if (i === column) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
  };
  // Marks and rows by arm, for pointing at them.
  let linked = null;
  // Of long tables the rest of the rows waits as text until the table is opened or saved.
  const complete = (root) => {
    for (const rest of all("script.later-rows", root)) {
      const table = rest.previousElementSibling.querySelector("table");
      table.tBodies[0].insertAdjacentHTML("beforeend", rest.textContent);
      rest.remove();
      document.dispatchEvent(new CustomEvent("rows", { detail: table }));
    }
  };
  document.addEventListener("toggle", (event) => { if (event.target.open) complete(event.target); }, true);
  // Of tables of hundreds of rows most wait as data.
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  const rowHtml = (table, { arm, color }, [trial, cells]) => {
    const heads = [...table.tHead.rows[0].cells];
    const cell = (given, i) => {
      const [text, value, status, note] = (typeof given === "string" ? [given] : given).map(escaped);
      const kind = heads[i].classList.contains("number") ? ' class="number"' : heads[i].textContent.trim() === "reason" ? ' class="long"' : "";
      const shown = i === 0 ? `<button type="button" class="arm ${escaped(color)}" data-arm="${escaped(arm)}"><i class="swatch"></i>${text}</button>`
        : status ? `<span class="status ${status}">${text}</span>` : text;
      return `<td${kind}${value ? ` data-v="${value}"` : ""}>${shown}${note ? `<small>${note}</small>` : ""}</td>`;
    };
    return `<tr data-arm="${escaped(arm)}"${trial ? ` data-trial="${escaped(trial)}"` : ""}>${cells.map(cell).join("")}</tr>`;
  };
  const laterRows = (id) => {
    const script = byId(`later-${id}`);
    const table = byId(`table-${id}`);
    const of = (arm) => arm.rows.map((row) => ({ trial: row[0], arm: arm.arm, html: () => rowHtml(table, arm, row) }));
    return script ? JSON.parse(script.textContent).flatMap(of) : [];
  };
  const completeArms = () => {
    const rows = laterRows("arms");
    if (!rows.length) return;
    // Hidden rows are not laid out; the selection shows those that it is to show.
    const html = rows.map((row) => row.html().replace("<tr", "<tr hidden"));
    byId("table-arms").tBodies[0].insertAdjacentHTML("beforeend", html.join("\n"));
    byId("later-arms").remove();
    linked = null;
  };
  // Pictures of large pages are drawn when they come near the window.
  const drawPlot = (plot) => {
    const later = plot.querySelector("script.later-plot");
    if (!later) return;
    plot.insertAdjacentHTML("beforeend", later.textContent);
    later.remove();
    plot.style.minHeight = "";
    linked = null;
    document.dispatchEvent(new CustomEvent("plot", { detail: plot }));
  };
  const drawPlots = (root = document) => all(".plot", root).forEach(drawPlot);
  const near = new IntersectionObserver((seen) => seen.filter((e) => e.isIntersecting).forEach((e) => { near.unobserve(e.target); drawPlot(e.target); }), { rootMargin: "600px" });
  all("script.later-plot").forEach((later) => near.observe(later.parentElement));

  // What figures.js and selection.js share.
  let selectArm = () => {};
  const isArm = (id) => (data.summary?.arms ?? []).some((arm) => arm.arm === id);
  const sorters = new Map();
  for (const table of all("table.data")) {
    const key = "sort-" + table.id.replace("table-", "");
    const heads = [...table.tHead.rows[0].cells];
    const names = heads.map((th) => th.textContent.trim());
    const apply = (column, down) => {
      if (table.id === "table-trials") fetchRows();
      if (table.id === "table-arms") completeArms();
      sort(table, column, down);
      if (table.id === "table-trials") showRows();
      if (table.id === "table-arms") document.dispatchEvent(new Event("arms"));
    };
    heads.forEach((th, column) => th.firstChild.addEventListener("click", () => {
      // Numbers are first looked at from the top.
      const sorted = th.getAttribute("aria-sort");
      const down = sorted ? sorted === "ascending" : th.classList.contains("number");
      apply(column, down);
      remember(key, (down ? "-" : "") + names[column]);
    }));
    const wanted = state.get(key) ?? "";
    const column = names.indexOf(wanted.replace(/^-/, ""));
    if (column >= 0) sorters.set(table, () => apply(column, wanted.startsWith("-")));
  }

  // Downloads and copies.
  const csvCell = (value) => {
    const raw = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    // A spreadsheet would compute what begins like a formula.
    const text = /^[=+\-@\t\r]/.test(raw) && Number.isNaN(Number(raw)) ? "'" + raw : raw;
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const csv = (columns, rows) => [columns, ...rows].map((row) => row.map(csvCell).join(",") + "\r\n").join("");
  const trialObjects = () => data.trial_rows.map((row) => Object.fromEntries(row.map((v, i) => [data.trial_columns[i], v])));
  const files = {
    "trials-csv": () => ["trials.csv", "text/csv", csv(data.trial_columns, data.trial_rows)],
    "arms-csv": () => {
      const columns = Object.keys(data.summary.arms[0] ?? {}).filter((c) => c !== "coordinates");
      const axes = (data.axes ?? []).filter((axis) => !columns.includes(axis));
      const values = (arm) => [...columns.map((c) => arm[c]), ...axes.map((axis) => data.places[arm.arm]?.[axis])];
      return ["arms.csv", "text/csv", csv([...columns, ...axes], data.summary.arms.map(values))];
    },
    json: () => ["report.json", "application/json", JSON.stringify({ ...data.summary, trials: trialObjects() }, null, 1)],
  };
  const save = (name, blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  for (const button of all("[data-download]")) button.addEventListener("click", () => {
    const [name, type, text] = files[button.dataset.download]();
    save(`${data.summary.name}-${name}`, new Blob([text], { type }));
  });
  const copy = async (text, button) => {
    const said = button.textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = said; }, 1500);
  };
  for (const button of all("[data-copy]")) button.addEventListener("click", () => copy(byId(button.dataset.copy).value, button));
