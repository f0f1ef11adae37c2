"use strict";
// Adds to a page that is complete without it: sorting, filtering and unpacking tables, one selector for what is shown (its
// state is in the address, behind the section's name), what a criterion is where its name stands, and where one is.

const chosen = { study: "", branch: "", samples: "", remedy: "none", axis: "rate", measure: "a" };
const followers = [];  // called when another setting is chosen; report/explorer.js adds itself

// Text that lies in the page as gzip in base64.
async function unpacked(encoded) {
  const bytes = Uint8Array.from(atob(encoded), letter => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") === "ascending" ||
        (!cell.hasAttribute("aria-sort") && cell.classList.contains("number"));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const rows = [...body.rows].sort((one, two) => {
        const a = value(one), b = value(two);
        if (a === "" || b === "") return (a === "") - (b === "");
        const order = cell.classList.contains("number") ? a - b : a.localeCompare(b, "en", { numeric: true });
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}

for (const link of document.querySelectorAll("a.csv")) {
  link.addEventListener("click", async event => {
    event.preventDefault();
    const saved = document.createElement("a");
    saved.href = URL.createObjectURL(new Blob([await unpacked(link.href.split(",")[1])], { type: "text/csv" }));
    saved.download = link.download.replace(/\.gz$/, "");
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 10000);
  });
}

// Further figures are folded; on paper they and the verdicts are open.
{
  const folded = [...document.querySelectorAll("details.further, #verdicts-table")];
  for (const details of folded) details.open = false;
  let before = [];
  window.addEventListener("beforeprint", () => { before = folded.map(one => one.open); for (const one of folded) one.open = true; });
  window.addEventListener("afterprint", () => folded.forEach((one, place) => { one.open = before[place]; }));
}

// The selector: settings are those that the summary has a row for.
{
  const form = document.getElementById("selector");
  const rows = [...document.querySelectorAll("#glance tbody tr")];
  const names = ["study", "branch", "samples"];
  const matches = (element, keys) =>
    keys.every(key => !element.dataset[key] || !chosen[key] || element.dataset[key] === chosen[key]);
  const every = document.getElementById("every"), filter = document.getElementById("filter");

  function offer() {
    names.forEach((name, place) => {
      const before = names.slice(0, place);
      const there = rows.filter(row => before.every(key => !row.dataset[key] || row.dataset[key] === chosen[key]));
      const allowed = new Set(there.map(row => row.dataset[name]).filter(Boolean));
      const select = form.elements[name];
      for (const option of select.options) option.hidden = option.disabled = allowed.size > 0 && !allowed.has(option.value);
      if (allowed.size && !allowed.has(chosen[name])) chosen[name] = [...select.options].find(one => !one.disabled).value;
      select.value = chosen[name];
      select.closest("label").hidden = select.options.length < 2;
    });
    const repairs = form.elements.remedy;
    if (![...repairs.options].some(option => option.value === chosen.remedy) || chosen.branch !== "fewshot") chosen.remedy = "none";
    repairs.value = chosen.remedy;
    repairs.closest("label").hidden = repairs.options.length < 2 || chosen.branch !== "fewshot";
  }

  function show() {
    for (const figure of document.querySelectorAll("figure")) {
      const panels = [...figure.querySelectorAll(".panel")];
      let shown = [];  // where a figure has nothing of this setting, what comes nearest; each panel's title says of what it is
      for (let kept = names.length; kept >= 0 && !shown.length; kept--) shown = panels.filter(panel => matches(panel, names.slice(0, kept)));
      for (const panel of panels) panel.classList.toggle("away", !shown.includes(panel));
    }
    for (const item of document.querySelectorAll("li.leader")) item.classList.toggle("away", !matches(item, names));
    for (const table of document.querySelectorAll("#glance, #pairs-table, #by-rate")) {
      const all = table.id === "glance" && every.checked;
      table.classList.toggle("one-setting", !all);
      const wanted = table.id === "glance" ? filter.value.toLowerCase() : "";
      const lines = [...table.querySelectorAll("tbody tr")];
      for (const row of lines) {
        const named = row.cells[0].textContent.toLowerCase().includes(wanted);
        row.classList.toggle("away", !(named && (all || matches(row, names))));
      }
      const count = table.querySelector(".tools .count");
      if (count) count.textContent = `${lines.filter(row => !row.classList.contains("away")).length} of ${lines.length} rows`;
    }
  }

  function written(id) {
    const plain = { remedy: "none", axis: "rate", measure: "a" };
    const state = new URLSearchParams(Object.entries(chosen).filter(([key, value]) => value && value !== plain[key]));
    return "#" + (id || "") + (String(state) ? "?" + state : "");
  }

  // An address such as #curves?study=a&branch=retrain: what is shown, and what is opened and gone to.
  function read() {
    const [id, state] = decodeURIComponent(location.hash.slice(1)).split("?");
    for (const [key, value] of new URLSearchParams(state || "")) if (key in chosen) chosen[key] = value;
    offer();
    const place = id && document.getElementById(id);
    const row = place && place.closest("tr");
    if (row) {
      for (const key of names) if (row.dataset[key]) chosen[key] = row.dataset[key];
      offer();
    }
    tell(id);
    if (!place) return;
    for (let around = place; around; around = around.parentElement) {
      if (around.tagName === "DETAILS") around.open = true;
      around.classList.remove("away");
    }
    place.scrollIntoView({ behavior: "instant" });
  }

  function tell(id) {
    offer();
    show();
    history.replaceState(null, "", written(id));
    for (const follow of followers) follow();
  }
  window.addressed = () => history.replaceState(null, "", written(location.hash.slice(1).split("?")[0]));

  form.addEventListener("change", event => {
    chosen[event.target.name] = event.target.value;
    tell(location.hash.slice(1).split("?")[0]);
  });
  form.addEventListener("submit", event => event.preventDefault());
  for (const control of [every, filter]) if (control) control.addEventListener("input", show);
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  for (const table of document.querySelectorAll("#glance table, #pairs-table table, #by-rate table")) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {  // what the selector says need not be said in every row
      if (!["study", "retraining", "images per class"].includes(cell.textContent)) return;
      for (const row of table.rows) row.cells[column].classList.add("setting");
    });
  }
  form.hidden = [...form.querySelectorAll("select")].every(select => select.options.length < 2);
  window.addEventListener("hashchange", read);
  if (rows.length) { for (const name of names) chosen[name] = form.dataset[name] || form.elements[name].value; read(); }
}

// What a criterion is, where its name stands: by pointing, by the keyboard, by a tap.
{
  const tip = document.getElementById("tip");
  const about = name => [...document.querySelectorAll(".glossary > div")].find(entry => entry.querySelector(".name").dataset.c === name);
  let owner = null;
  function open(element) {
    const entry = about(element.dataset.c);
    if (!entry || entry.contains(element)) return;
    owner = element;
    tip.replaceChildren(...[...entry.querySelectorAll("dd > span")].map(part => part.cloneNode(true)));
    tip.hidden = false;
    const place = element.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const above = place.bottom + size.height + 8 > innerHeight && place.top > size.height + 8;
    tip.style.left = Math.max(8, Math.min(place.left, innerWidth - size.width - 8)) + "px";
    tip.style.top = (above ? place.top - size.height - 6 : place.bottom + 6) + "px";
  }
  const close = () => { tip.hidden = true; owner = null; };
  const named = event => event.target.closest && event.target.closest("[data-c]");
  document.addEventListener("pointerover", event => named(event) ? open(named(event)) : close());
  document.addEventListener("focusin", event => named(event) ? open(named(event)) : close());
  document.addEventListener("keydown", event => event.key === "Escape" && close());
  document.addEventListener("scroll", close, { passive: true });
  document.addEventListener("click", event => {  // a tap has no hovering before it: the first one explains, and does not jump
    const element = named(event);
    if (element && element.tagName === "A" && event.pointerType === "touch") { event.preventDefault(); open(element); }
    else if (element && element.tagName !== "A") open(element);
  });
}

// Wide things say that there is more to see; the navigation says where one is.
{
  const hint = box => box.classList.toggle("more", box.scrollWidth > box.clientWidth + box.scrollLeft + 2);
  const boxes = document.querySelectorAll(".scroll, .plot");
  const sized = new ResizeObserver(found => { for (const one of found) hint(one.target); });
  for (const box of boxes) { sized.observe(box); box.addEventListener("scroll", () => hint(box), { passive: true }); }
  const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(found => {
    for (const one of found) if (one.isIntersecting) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(one.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  for (const id of links.keys()) { const section = document.getElementById(id); if (section) seen.observe(section); }
}
