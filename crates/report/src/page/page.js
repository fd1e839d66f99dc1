// Sorting, filtering, linked highlighting and downloads. The page is whole without it.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const PAGE = 100;

  // State lives in the URL's fragment, so that a link shows what its sender saw.
  const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const remember = (key, value) => {
    if (value) state.set(key, value);
    else state.delete(key);
    history.replaceState(null, "", "#" + state);
  };

  // Colors: as the system, light, dark.
  const theme = byId("theme");
  const themes = { auto: "◐ auto", light: "○ light", dark: "● dark" };
  const stored = () => { try { return localStorage.getItem("res2lab-theme"); } catch { return null; } };
  const setTheme = (name) => {
    document.documentElement.dataset.theme = name;
    theme.textContent = themes[name];
    theme.setAttribute("aria-label", "Colors: " + (name === "auto" ? "as the system" : name));
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
  // Of a large sweep most rows wait in a script element, as text, until somebody asks for more than the first.
  const later = byId("later-trials");
  let waiting = later ? Number(later.dataset.rows) : 0;
  let onArrival = () => {};
  const fetchRows = () => {
    if (!waiting) return;
    waiting = 0;
    const body = byId("table-trials").tBodies[0];
    const known = body.rows.length;
    body.insertAdjacentHTML("beforeend", later.textContent);
    onArrival([...body.rows].slice(known));
  };
  for (const table of all("table.data")) {
    const key = "sort-" + table.id.replace("table-", "");
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((th, column) => th.firstChild.addEventListener("click", () => {
      // Numbers are first looked at from the top.
      const sorted = th.getAttribute("aria-sort");
      const down = sorted ? sorted === "ascending" : th.classList.contains("number");
      if (table.id === "table-trials") fetchRows();
      sort(table, column, down);
      remember(key, (down ? "-" : "") + column);
      if (table.id === "table-trials") showRows();
    }));
    const wanted = state.get(key);
    const column = wanted === null ? -1 : Math.abs(Number(wanted));
    if (heads[column] && table.id === "table-trials") fetchRows();
    if (heads[column]) sort(table, column, wanted.startsWith("-"));
  }

  // The page of an evaluation has tables to sort and nothing more.
  if (!byId("filter")) return;

  // Filtering the trials by words and by an arm, a page at a time.
  const filter = byId("filter"), armFilter = byId("arm-filter"), more = byId("more");
  const labels = new Map(data.summary.arms.map((arm) => [arm.arm, arm.label]));
  let wholeTable = false;
  const showRows = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const arm = state.get("arm");
    if (words.length || arm || wholeTable) fetchRows();
    let matching = 0;
    const rows = [...byId("table-trials").tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const matches = (!arm || row.dataset.arm === arm) && words.every((word) => text.includes(word));
      if (matches) matching += 1;
      row.hidden = !matches || (!wholeTable && matching > PAGE);
    }
    // Rows that wait match, or they would have been asked for.
    matching += waiting;
    const shown = wholeTable ? matching : Math.min(matching, PAGE);
    const total = rows.length + waiting;
    byId("shown").textContent = shown === total ? "" : `${shown} of ${total} trials shown`;
    more.hidden = shown === matching;
    more.textContent = `Show all ${matching}`;
    armFilter.hidden = !arm;
    armFilter.textContent = arm ? `only ${labels.get(arm)} ✕` : "";
    all("button.arm").forEach((b) => b.setAttribute("aria-pressed", String(Boolean(arm) && b.dataset.arm === arm)));
  };
  const setArm = (arm) => {
    remember("arm", arm && labels.has(arm) && state.get("arm") !== arm ? arm : "");
    showRows();
  };
  if (!labels.has(state.get("arm"))) state.delete("arm");
  filter.value = state.get("filter") ?? "";
  filter.addEventListener("input", () => { remember("filter", filter.value); showRows(); });
  armFilter.addEventListener("click", () => setArm(""));
  more.addEventListener("click", () => { wholeTable = true; showRows(); });
  window.addEventListener("beforeprint", () => { wholeTable = true; showRows(); all("details").forEach((d) => { d.open = true; }); });
  showRows();

  // What belongs together lights up together: by arm, and by trial where a single one is pointed at.
  const linked = new Map();
  const link = (elements) => {
    for (const element of elements) {
      for (const key of [element.dataset.arm, element.dataset.trial].filter(Boolean)) {
        if (!linked.has(key)) linked.set(key, []);
        linked.get(key).push(element);
      }
    }
  };
  link(all("svg [data-arm], tr[data-arm]"));
  onArrival = link;
  let hot = [];
  const point = (target) => {
    hot.forEach((element) => element.classList.remove("hot"));
    const arm = target?.dataset.arm, trial = target?.dataset.trial;
    // Within the trials one row is meant; elsewhere the whole arm.
    const marks = (linked.get(arm) ?? []).filter((e) => e.localName !== "tr" || !e.dataset.trial || e.dataset.trial === trial);
    hot = [...marks, ...(linked.get(trial) ?? [])];
    hot.forEach((element) => element.classList.add("hot"));
    document.body.classList.toggle("pointing", hot.length > 0);
  };
  const armOf = (event) => event.target.closest?.("[data-arm]");
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, (event) => point(armOf(event)));
  document.addEventListener("mouseleave", () => point(null));
  document.addEventListener("click", (event) => {
    const target = event.target.closest?.("svg [data-arm], button.arm");
    if (!target) return;
    setArm(target.dataset.arm);
    if (target.dataset.trial && state.get("arm")) {
      all("#table-trials tr").find((row) => row.dataset.trial === target.dataset.trial)?.scrollIntoView({ block: "center" });
    }
  });

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
      const columns = Object.keys(data.summary.arms[0] ?? {});
      return ["arms.csv", "text/csv", csv(columns, data.summary.arms.map((arm) => columns.map((c) => arm[c])))];
    },
    json: () => ["report.json", "application/json", JSON.stringify({ ...data.summary, trials: trialObjects() }, null, 1)],
  };
  for (const button of all("[data-download]")) button.addEventListener("click", () => {
    const [name, type, text] = files[button.dataset.download]();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `${data.summary.name}-${name}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  for (const button of all("[data-copy]")) button.addEventListener("click", async () => {
    const area = byId(button.dataset.copy);
    try { await navigator.clipboard.writeText(area.value); } catch { area.select(); document.execCommand("copy"); }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
})();
