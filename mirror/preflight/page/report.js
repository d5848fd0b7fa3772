(() => {
  "use strict";
  // A row is 1 if the tag imports, and numbers that stand for texts, in the order of the names below. A page of a list
  // is as much of it as is ever in the document on a screen.
  const { texts, causes, rows } = JSON.parse(document.getElementById("data").textContent);
  const IMPORTS = 0, NAME = 1, STREAM = 2, FROM = 3, REGISTRY = 4, SERVER = 5, DIGEST = 6, CAUSE = 7, WHY = 8, REMEDY = 9,
    MESSAGE = 10, TRIED = 11;
  const PAGE = 100, PRINTED = 2000;
  const at = id => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const form = { text: at("text"), stream: at("stream"), cause: at("cause"), registry: at("registry"), server: at("server") };

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const code = text => element("code", {}, text);

  const places = column => [...new Set(rows.map(row => row[column]))].filter(index => texts[index] !== "");
  const options = (select, column, title) => {
    const counts = new Map();
    for (const row of rows) counts.set(row[column], (counts.get(row[column]) || 0) + 1);
    const names = places(column).map(index => [texts[index], title(texts[index]), counts.get(index)]);
    names.sort((a, b) => (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0));
    for (const [value, shown, count] of names) select.append(new Option(`${shown} (${number.format(count)})`, value));
  };
  options(form.cause, CAUSE, id => causes[id]);
  options(form.registry, REGISTRY, name => name);
  options(form.server, SERVER, name => name);
  at("streams").append(...places(STREAM).map(index => new Option(texts[index])));

  // What the text filter looks at, made when it is first needed.
  let words = null;
  const haystack = row =>
    [NAME, FROM, SERVER, DIGEST, WHY, REMEDY, MESSAGE].map(column => texts[row[column]]).join("\n").toLowerCase();

  const found = () => {
    const text = form.text.value.trim().toLowerCase(), stream = form.stream.value.trim();
    if (text && words === null) words = new Map(rows.map(row => [row, haystack(row)]));
    const parts = text.split(/\s+/);
    const same = (row, column, value) => !value || texts[row[column]] === value;
    // A stream that is spelled out is meant; anything shorter is a part of names.
    const whole = stream && places(STREAM).some(index => texts[index] === stream);
    return rows.filter(row =>
      same(row, CAUSE, form.cause.value) && same(row, REGISTRY, form.registry.value) && same(row, SERVER, form.server.value) &&
      (!stream || (whole ? texts[row[STREAM]] === stream : texts[row[STREAM]].includes(stream))) &&
      (!text || parts.every(part => words.get(row).includes(part))));
  };

  // Commands stand apart, as they are to be copied.
  const remedy = text => text.split(/((?:ismirror seed|oc create) .*?)(?= Or: |$)/).map((part, place) =>
    place % 2 ? element("code", { className: "command" }, part) : part);

  const failing = row => {
    const name = texts[row[NAME]];
    const facts = [
      ["Pull spec", code(texts[row[FROM]])],
      ["Cause", `${causes[texts[row[CAUSE]]]}. ${texts[row[WHY]]}`],
      ["Remedy", element("span", { className: "remedy" }, ...remedy(texts[row[REMEDY]]))],
      ["Cluster says", code(texts[row[MESSAGE]])],
      ["Tried", code(texts[row[TRIED]])],
    ];
    const list = element("dl", {});
    for (const [title, value] of facts) {
      if (value.textContent === "") continue;
      list.append(element("dt", {}, title), element("dd", {}, value));
    }
    const link = element("a", { href: `#tag=${encodeURIComponent(name)}` }, name);
    return element("article", { id: `tag=${encodeURIComponent(name)}` }, element("h3", {}, link), list);
  };
  const remark = row => texts[row[CAUSE]] === "" ? [] :
    [element("p", { className: "remark" }, `${causes[texts[row[CAUSE]]]}. ${texts[row[WHY]]} ${texts[row[REMEDY]]}`)];
  const importing = row => element("tr", {},
    element("td", {}, texts[row[NAME]], ...remark(row)),
    element("td", {}, code(texts[row[FROM]])),
    element("td", {}, texts[row[SERVER]]),
    element("td", {}, code(texts[row[DIGEST]])));

  const makeList = (id, render) => {
    const section = at(id), pages = at(`${id}-pages`), body = at(`${id}-list`);
    let all = [], first = 0;
    const show = size => {
      body.replaceChildren(...all.slice(first, first + size).map(render));
      section.hidden = all.length === 0;
      pages.hidden = all.length <= size;
      pages.querySelector("span").textContent =
        `${number.format(first + 1)} to ${number.format(Math.min(first + size, all.length))} of ${number.format(all.length)}`;
      for (const button of pages.querySelectorAll("button")) {
        const next = first + Number(button.dataset.step) * size;
        button.disabled = next < 0 || next >= all.length;
      }
      at(`${id}-count`).textContent = number.format(all.length);
    };
    pages.addEventListener("click", event => {
      const step = Number(event.target.dataset?.step || 0);
      if (!step) return;
      first += step * PAGE;
      show(PAGE);
      section.scrollIntoView();
    });
    return {
      set(some) { all = some; first = 0; show(PAGE); },
      reveal(row) { first = Math.floor(all.indexOf(row) / PAGE) * PAGE; show(PAGE); },
      print() { first = 0; show(PRINTED); },
      screen() { show(PAGE); },
    };
  };
  const fails = makeList("fails", failing), imports = makeList("imports", importing);

  const refresh = () => {
    const some = found();
    fails.set(some.filter(row => !row[IMPORTS]));
    imports.set(some.filter(row => row[IMPORTS]));
    at("found").textContent = `${number.format(some.length)} of ${number.format(rows.length)} tags`;
  };

  // The address of the page says what is shown, so that it can be kept and sent.
  const remember = () => {
    const kept = new URLSearchParams();
    for (const [name, field] of Object.entries(form)) if (field.value) kept.set(name, field.value);
    history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname + location.search);
  };
  const recall = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const [name, field] of Object.entries(form)) field.value = kept.get(name) || "";
    refresh();
    const wanted = kept.get("tag");
    const row = wanted && rows.find(one => texts[one[NAME]] === wanted && !one[IMPORTS]);
    if (!row) return;
    fails.reveal(row);
    at(`tag=${encodeURIComponent(wanted)}`).scrollIntoView();
  };

  let waiting = 0;
  const changed = () => { refresh(); remember(); };
  at("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, rows.length > 20000 ? 150 : 0); });
  at("filters").addEventListener("submit", event => event.preventDefault());
  at("filters").addEventListener("reset", () => setTimeout(changed));
  for (const button of document.querySelectorAll("button[data-cause]")) {
    button.disabled = false;
    button.addEventListener("click", () => { form.cause.value = button.dataset.cause; changed(); at("fails").focus(); });
  }
  document.addEventListener("keydown", event => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); form.text.focus(); }
    if (event.key === "Escape" && typing) { at("clear").click(); document.activeElement.blur(); }
  });
  addEventListener("hashchange", recall);
  addEventListener("beforeprint", () => { fails.print(); imports.print(); });
  addEventListener("afterprint", () => { fails.screen(); imports.screen(); });
  at("find").hidden = rows.length === 0;
  recall();
})();
