"use strict";
// The interactive curves: controls set the parameters of a Vega-Lite chart; the list beside it is its legend and reads values.
// Without this script, and in print, the same curves stand on the page as pictures.
{
  const place = document.getElementById("explorer");
  const about = JSON.parse(document.getElementById("explorer-data").textContent);
  const data = about.spec.data.values;
  const form = place.querySelector("form");
  const slider = place.querySelector("input[type=range]");
  const entries = [...place.querySelectorAll(".readout li")];
  const percent = share => (100 * share).toFixed(1) + "\u00a0%";
  const value = name => form.elements[name].value;
  const points = () => data.filter(row => row.s === value("study") && row.b === value("branch") &&
    row.n === value("samples") && row.k === value("axis"));
  let view = null, places = [];

  // Only the settings that were measured can be chosen.
  function offer(name, allowed) {
    const inputs = [...form.querySelectorAll(`[name=${name}]`)];
    for (const input of inputs) input.closest("label").hidden = !allowed.includes(input.value);
    if (!allowed.includes(value(name))) inputs.find(input => allowed.includes(input.value)).checked = true;
    inputs[0].closest("fieldset").hidden = allowed.length < 2 && inputs.length < 2;
  }

  function mark() {
    const at = places[slider.value], here = points().filter(row => row.x === at), letter = value("measure");
    const axis = about.axes[value("axis")];
    slider.setAttribute("aria-valuetext", percent(at) + " of " + axis + " removed");
    place.querySelector(".at").textContent = at === 0 ? "Unpruned" : percent(at) + " of " + axis + " removed";
    for (const entry of entries) {
      const row = here.find(row => row.c === entry.dataset.criterion);
      entry.querySelector("output").textContent = row ? percent(row[letter]) : "–";
      entry.querySelector("small").textContent = row ? percent(row[letter + "l"]).replace("\u00a0%", "") + " to " + percent(row[letter + "h"]) : "";
    }
    if (view) view.signal("at", at).runAsync();
  }

  function choose() {
    offer("branch", Object.keys(about.settings[value("study")]));
    offer("samples", about.settings[value("study")][value("branch")]);
    const found = points(), letter = value("measure");
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
    const seeds = Math.max(...found.map(row => row.m));
    place.querySelector(".n").textContent = `Lines: mean over n = ${seeds} seed${seeds === 1 ? "" : "s"}; bands: smallest to ` +
      `largest seed; each seed is measured on ${about.images[value("study")].toLocaleString("en")} test images.`;
    place.querySelector(".up").textContent = "Accuracy on test images, " + about.measures[letter];
    place.querySelector(".across").textContent = about.axes[value("axis")] + " removed";
    if (view) {
      for (const name of ["study", "branch", "samples", "axis", "measure"]) view.signal(name, value(name));
      view.signal("shown", entries.filter(entry => entry.querySelector("input").checked).map(entry => entry.dataset.criterion));
    }
    mark();
  }

  form.addEventListener("change", choose);
  form.addEventListener("submit", event => event.preventDefault());
  place.querySelector(".readout").addEventListener("change", choose);
  slider.addEventListener("input", mark);
  place.hidden = false;
  choose();
  const stills = document.getElementById("stills"), button = document.getElementById("show-stills");
  stills.classList.add("away");
  button.hidden = false;
  button.addEventListener("click", () => {
    const away = stills.classList.toggle("away");
    button.setAttribute("aria-expanded", String(!away));
  });

  // The chart is made when it comes near, so that the page opens at once. The library lies in the page as text; the page's
  // policy knows its hash. "ast": Vega's expressions are interpreted, never compiled, so that nothing need allow eval.
  async function draw() {
    const library = document.createElement("script");
    library.textContent = document.getElementById("vega").textContent;
    document.head.append(library);
    const options = { ast: true, actions: false, renderer: "svg", mode: "vega-lite" };
    view = (await vegaEmbed(place.querySelector(".chart"), about.spec, options)).view;
    view.addSignalListener("hover", (name, picked) => {
      const index = places.indexOf(picked && picked.x && picked.x[0]);
      if (index >= 0 && index !== Number(slider.value)) { slider.value = index; mark(); }
    });
    choose();
  }
  const watcher = new IntersectionObserver(seen => {
    if (seen.some(entry => entry.isIntersecting)) { watcher.disconnect(); draw(); }
  }, { rootMargin: "500px" });
  watcher.observe(place);
}
