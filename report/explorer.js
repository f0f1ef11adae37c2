"use strict";
// The interactive curves: controls set the parameters of a Vega-Lite chart; the list beside it is its legend and reads values.
// Without this script, and in print, the same curves stand on the page as pictures.
{
  const place = document.getElementById("explorer");
  const form = place.querySelector("form");
  const slider = place.querySelector("input[type=range]");
  const entries = [...place.querySelectorAll(".readout li")];
  const percent = share => (100 * share).toFixed(1) + "\u00a0%";
  const shown = () => entries.filter(entry => entry.querySelector("input").checked).map(entry => entry.dataset.criterion);
  let about = null, data = [], view = null, places = [], pointed = "";

  const points = () => data.filter(row => row.s === chosen.study && row.b === chosen.branch && row.n === chosen.samples &&
    row.r === chosen.remedy && row.k === chosen.axis);

  // Spreads over seeds that overlap hide each other: those of the one pointed at, of two compared, or of the paper's criterion.
  function banded() {
    const there = new Set(points().map(row => row.c)), names = shown().filter(name => there.has(name));
    if (names.length <= 2) return names;
    return [(names.includes(pointed) && pointed) || (names.includes(about.paper) ? about.paper : names[0])];
  }

  function mark() {
    const at = places[slider.value], here = points().filter(row => row.x === at), letter = chosen.measure;
    const axis = about.axes[chosen.axis];
    slider.setAttribute("aria-valuetext", at === 0 ? "Unpruned" : percent(at) + " of " + axis + " removed");
    place.querySelector(".at").textContent = slider.getAttribute("aria-valuetext");
    for (const entry of entries) {
      const row = here.find(row => row.c === entry.dataset.criterion);
      entry.querySelector("output").textContent = row ? percent(row[letter]) : "–";
      entry.querySelector("small").textContent = row ? percent(row[letter + "l"]).replace("\u00a0%", "") + " to " + percent(row[letter + "h"]) : "";
    }
    if (view) view.signal("at", at).signal("banded", banded()).runAsync();
  }

  function choose() {
    if (!about) return;
    const remedies = about.settings[chosen.study][chosen.branch][chosen.samples];
    if (!remedies.includes(chosen.remedy)) chosen.remedy = "none";
    for (const name of ["axis", "measure"]) form.elements[name].value = chosen[name];
    const found = points(), letter = chosen.measure;
    places = [...new Set(found.map(row => row.x))].sort((a, b) => a - b);
    slider.max = places.length - 1;
    const middle = places.findIndex(x => x >= 0.4);
    slider.value = middle < 0 ? places.length - 1 : middle;
    const mean = name => {
      const own = found.filter(row => row.c === name);
      return own.length ? own.reduce((sum, row) => sum + row[letter], 0) / own.length : -1;
    };
    entries.sort((one, two) => mean(two.dataset.criterion) - mean(one.dataset.criterion));
    place.querySelector(".readout").append(...entries);
    const seeds = Math.max(...found.map(row => row.m)), guess = about.chance[chosen.study];
    place.querySelector(".what").textContent = [chosen.study, about.branches[chosen.branch],
      chosen.samples + ` reference image${chosen.samples === "1" ? "" : "s"} per class`, chosen.remedy === "none" ? "" : "repaired by " + chosen.remedy].filter(Boolean).join(" · ");
    place.querySelector(".n").textContent = `Lines: mean over n = ${seeds} seed${seeds === 1 ? "" : "s"}; band: smallest to ` +
      `largest seed of the criterion pointed at; each seed is measured on ${about.images[chosen.study].toLocaleString("en")} test images.` +
      (guess === undefined || letter !== "a" ? "" : ` Dotted: chance, ${percent(guess)}.`);
    place.querySelector(".up").textContent = "Accuracy on test images, " + about.measures[letter];
    place.querySelector(".across").textContent = about.axes[chosen.axis] + " removed";
    if (view) {
      for (const name of ["study", "branch", "samples", "remedy", "axis", "measure"]) view.signal(name, chosen[name]);
      view.signal("chance", guess === undefined || letter !== "a" ? -1 : guess).signal("shown", shown());
    }
    mark();
  }

  form.addEventListener("change", event => {
    chosen[event.target.name] = event.target.value;
    addressed();
    choose();
  });
  form.addEventListener("submit", event => event.preventDefault());
  place.querySelector(".readout").addEventListener("change", choose);
  for (const entry of entries) {
    for (const [kind, name] of [["pointerenter", entry.dataset.criterion], ["pointerleave", ""]]) {
      entry.addEventListener(kind, () => { pointed = name; if (about) mark(); });
    }
  }
  slider.addEventListener("input", mark);
  place.hidden = false;
  followers.push(choose);
  const stills = document.getElementById("stills"), button = document.getElementById("show-stills");
  stills.classList.add("away");
  button.hidden = false;
  button.addEventListener("click", () => {
    const away = stills.classList.toggle("away");
    button.setAttribute("aria-expanded", String(!away));
  });

  // The chart is made when it comes near, so that the page opens at once. The library and the numbers lie in the page packed;
  // the page's policy knows the library's hash. "ast": Vega's expressions are interpreted, never compiled, so that nothing
  // need allow eval.
  async function draw() {
    about = JSON.parse(await unpacked(document.getElementById("explorer-data").textContent));
    const keys = Object.keys(about.columns), named = new Set(["s", "b", "n", "r", "c", "k"]);
    data = about.columns.x.map((_, line) => Object.fromEntries(keys.map(key =>
      [key, named.has(key) ? about.names[about.columns[key][line]] : about.columns[key][line]])));
    choose();
    const library = document.createElement("script");
    library.textContent = await unpacked(document.getElementById("vega").textContent);
    document.head.append(library);
    const options = { ast: true, actions: false, renderer: "svg", mode: "vega-lite" };
    view = (await vegaEmbed(place.querySelector(".chart"), { ...about.spec, datasets: { points: data } }, options)).view;
    view.addSignalListener("hover", (name, picked) => {
      const index = places.indexOf(picked && picked.x && picked.x[0]);
      const criterion = (picked && picked.c && picked.c[0]) || "";
      if (index < 0 || (index === Number(slider.value) && criterion === pointed)) return;
      slider.value = index;
      pointed = criterion;
      mark();
    });
    choose();
  }
  const watcher = new IntersectionObserver(seen => {
    if (seen.some(entry => entry.isIntersecting)) { watcher.disconnect(); draw(); }
  }, { rootMargin: "500px" });
  watcher.observe(place);
}
