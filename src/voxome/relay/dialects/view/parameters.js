// A panel with the parameters of the virtual layers that are shown. A change is another address of the layer's source,
// NAME;PARAMETER=VALUE: nothing else of the state changes, and a link to it has the values.
(() => {
  const { base, view } = window.voxome;
  const ADDRESS = /\/precomputed\/([^@|?#]+)/;
  const WAIT_MS = 250;
  const known = new Map();
  let panel, drawn = "";

  const layers = () => (window.viewer?.layerManager.managedLayers ?? []).flatMap((one) =>
    (one.layer?.dataSources ?? []).flatMap((source) => {
      const matched = source.spec.url.includes(base) ? ADDRESS.exec(source.spec.url) : null;
      if (!matched) return [];
      const [name, ...changes] = decodeURIComponent(matched[1].replace(/\/+$/, "")).split(";");
      const values = Object.fromEntries(changes.map((change) => [change.split("=")[0], change.split("=").slice(1).join("=")]));
      return [{ title: one.name, source, name, values, slash: matched[1].endsWith("/") ? "/" : "" }];
    }));

  const show = (shown, parameter, text) => {
    const present = layers().find((one) => one.source === shown.source);
    if (!present) return;
    const values = { ...present.values, [parameter]: text };
    const path = present.name.split("/").map(encodeURIComponent).join("/");
    const changes = Object.entries(values).map(([name, value]) => `;${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    const url = shown.source.spec.url.replace(ADDRESS, () => `/precomputed/${path}${changes.join("")}${present.slash}`);
    if (url !== shown.source.spec.url) shown.source.spec = { ...shown.source.spec, url };
  };

  const field = (one, text) => {
    if (one.choices) {
      const select = document.createElement("select");
      select.append(...one.choices.map((choice) => new Option(choice, choice)));
      select.value = text;
      return [select];
    }
    const input = document.createElement("input");
    input.style.width = "7em";
    if (one.type === "boolean") {
      Object.assign(input, { type: "checkbox", checked: text.toLowerCase() === "true" });
      input.style.width = "auto";
      return [input];
    }
    if (one.type === "array") return [Object.assign(input, { type: "text", value: text })];
    const low = one.minimum ?? one.exclusiveMinimum, high = one.maximum ?? one.exclusiveMaximum;
    const step = one.type === "int" ? 1 : "any";
    Object.assign(input, { type: "number", step, min: low ?? "", max: high ?? "", value: text });
    if (low === undefined || high === undefined) return [input];
    const slider = document.createElement("input");
    const fine = one.type === "int" ? 1 : (high - low) / 200;
    Object.assign(slider, { type: "range", min: low, max: high, step: fine, value: text });
    slider.oninput = () => (input.value = slider.value);
    input.addEventListener("input", () => (slider.value = input.value));
    return [input, slider];
  };

  const row = (shown, one) => {
    const label = document.createElement("label");
    label.title = one.summary;
    label.style.cssText = "display:block;margin:2px 0";
    const inputs = field(one, shown.values[one.name] ?? String(one.value));
    let timer;
    for (const input of inputs)
      input.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          const main = inputs[0];
          if (!main.checkValidity() || main.value === "") return;
          show(shown, one.name, main.type === "checkbox" ? String(main.checked) : main.value);
        }, WAIT_MS);
      });
    inputs[0].dataset.parameter = `${shown.name} ${one.name}`;
    label.append(`${one.name} `, ...inputs);
    return label;
  };

  const draw = (virtual) => {
    document.body.dataset.voxomeParameters = JSON.stringify(virtual.map((one) => [one.name, one.values]));
    const listed = JSON.stringify(virtual.map((one) => [one.title, one.name]));
    const state = JSON.stringify(virtual.map((one) => [one.title, one.name, one.values]));
    if (state === drawn || (listed === panel.dataset.layers && panel.contains(document.activeElement))) return;
    drawn = state;
    panel.dataset.layers = listed;
    panel.hidden = !virtual.length;
    panel.replaceChildren(...virtual.map((shown) => {
      const group = document.createElement("fieldset");
      const legend = document.createElement("legend");
      legend.textContent = shown.title;
      group.append(legend, ...known.get(shown.name).map((one) => row(shown, one)));
      return group;
    }));
  };

  const look = async () => {
    const shown = layers();
    const names = [...new Set(shown.map((one) => one.name))].filter((name) => !known.has(name));
    try {
      if (names.length) {
        const query = new URLSearchParams(names.map((name) => ["layer", name]));
        const answer = await fetch(`${view}parameters?${query}`, { cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        const listed = await answer.json();
        for (const name of names) known.set(name, listed[name] ?? []);
      }
      draw(shown.filter((one) => known.get(one.name).length));
    } catch {
      return setTimeout(look, 2000);
    }
    setTimeout(look, 500);
  };

  addEventListener("load", () => {
    panel = document.createElement("div");
    panel.id = "voxome-parameters";
    panel.hidden = true;
    panel.style.cssText =
      "position:fixed;bottom:48px;left:12px;z-index:99;padding:4px 8px;border-radius:4px;background:#222;" +
      "color:#eee;font:13px sans-serif;max-height:60%;overflow:auto";
    for (const kind of ["keydown", "keypress", "keyup", "wheel", "mousedown"])
      panel.addEventListener(kind, (event) => event.stopPropagation());
    document.body.append(panel);
    look();
  });
})();
