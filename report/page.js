"use strict";
// Adds to a page that is complete without it: sorting tables by their headings, and tabs that choose a panel.
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
      const value = row => row.cells[column].dataset.sort;
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
for (const section of document.querySelectorAll("[data-chooser]")) {
  const panels = [...section.querySelectorAll(":scope > .panel")];
  if (panels.length < 2) continue;
  const bar = document.createElement("div");
  bar.className = "chooser";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Choose what to show");
  const buttons = panels.map((panel, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = panel.dataset.title;
    button.addEventListener("click", () => choose(index));
    bar.append(button);
    return button;
  });
  const choose = chosen => panels.forEach((panel, index) => {
    panel.classList.toggle("away", index !== chosen);
    buttons[index].setAttribute("aria-pressed", String(index === chosen));
  });
  panels[0].before(bar);
  section.classList.add("chosen");
  choose(0);
}
