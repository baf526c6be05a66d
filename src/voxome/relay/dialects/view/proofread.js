// Merges and splits segments of layers that are proofread, and follows the edits of others.
//
// A layer shows one version of its segments: the version is in the address of its source, so that nothing that a browser
// has kept is taken for another one. Only addresses and selected segments are changed, never the whole state: what the
// user has done in the meantime stays.
(() => {
  const { base, view, show } = window.voxome;
  const ADDRESS = /(\/precomputed\/)([^@|?#]+)@([A-Za-z0-9.]+)/;
  const KEYS = "Alt+1, Alt+2: mark the segment under the mouse. Alt+M: merge. Alt+S: split. Alt+Z: undo. Alt+Shift+Z: redo.";
  const marks = { a: [], b: [] };
  const done = [], undone = [];
  let writable = new Set(), events, followed = "", busy = false, bar, text;

  const layers = () => (window.viewer?.layerManager.managedLayers ?? []).flatMap((one) =>
    (one.layer?.dataSources ?? []).flatMap((source) => {
      const matched = source.spec.url.includes(base) ? ADDRESS.exec(source.spec.url) : null;
      return matched ? [{ layer: one.layer, source, name: decodeURIComponent(matched[2]), version: matched[3] }] : [];
    }));

  const address = (name) => `${view}edits/${name.split("/").map(encodeURIComponent).join("/")}`;

  const follow = async (name, version) => {
    for (const shown of layers().filter((one) => one.name === name && one.version !== version)) {
      const answer = await fetch(`${address(name)}?since=${shown.version}`, { cache: "no-store" });
      if (!answer.ok) throw new Error((await answer.json()).message);
      const { version: now, replaced } = await answer.json();
      const present = layers().find((one) => one.source === shown.source);
      if (present?.version !== shown.version || now === shown.version) continue;
      const url = shown.source.spec.url.replace(ADDRESS, (all, path, source) => `${path}${source}@${now}`);
      shown.source.spec = { ...shown.source.spec, url };
      const group = shown.layer.displayState.segmentationGroupState.value;
      for (const segments of [group.visibleSegments, group.selectedSegments])
        for (const [old, others] of Object.entries(replaced)) {
          if (!segments.has(BigInt(old))) continue;
          if (!others.includes(old)) segments.delete(BigInt(old));
          for (const one of others) segments.add(BigInt(one));
        }
      for (const side of Object.keys(marks))
        marks[side] = marks[side].filter((one) => one.name !== name || !(one.id in replaced));
    }
    report();
  };

  const mark = (side) => {
    const { mouseState } = window.viewer;
    const scales = window.viewer.coordinateSpace.value.scales;
    for (const { layer, name } of layers()) {
      const id = layer.displayState.segmentSelectionState.value;
      if (!writable.has(name) || id === undefined || id === 0n || !mouseState.updateUnconditionally()) continue;
      const point = [2, 1, 0].map((axis) => mouseState.position[axis] * scales[axis] * 1e9);
      marks[side].push({ name, id: String(id), point });
      return report();
    }
    show("No segment that you may edit is under the mouse.");
  };

  const edit = async (name, values) => {
    if (busy) return show("The last edit has not been answered yet.");
    busy = true;
    try {
      const { version } = layers().find((one) => one.name === name) ?? {};
      const answer = await fetch(address(name), {
        method: "POST", body: JSON.stringify({ ...values, version }), headers: { "Content-Type": "application/json" },
      });
      const reply = await answer.json();
      if (!answer.ok) throw new Error(reply.message);
      if (["merge", "split"].includes(values.action)) marks.a = [], marks.b = [];
      await follow(name, reply.version);
      return reply.operation;
    } catch (error) {
      show(`${name}: not edited: ${error.message}`);
    } finally {
      busy = false;
      report();
    }
  };

  const marked = () => {
    const all = [...marks.a, ...marks.b];
    return all.length && all.every((one) => one.name === all[0].name) ? all[0].name : undefined;
  };

  const change = async (name, values) => {
    const operation = await edit(name, values);
    if (operation === undefined) return;
    done.push({ name, operation });
    undone.length = 0;
  };

  const merge = () => {
    const ids = [...new Set([...marks.a, ...marks.b].map((one) => one.id))];
    if (!marked() || ids.length < 2) return show("Mark two or more segments of one layer with Alt+1 and Alt+2, to merge them.");
    return change(marked(), { action: "merge", ids });
  };

  const split = () => {
    const ids = new Set([...marks.a, ...marks.b].map((one) => one.id));
    if (!marked() || ids.size !== 1 || !marks.a.length || !marks.b.length)
      return show("Mark points on both sides of one segment, with Alt+1 and Alt+2, to split it.");
    const points = (side) => marks[side].map((one) => one.point);
    return change(marked(), { action: "split", id: [...ids][0], points_a_nm: points("a"), points_b_nm: points("b") });
  };

  const toggle = (action, from, to) => async () => {
    const last = from.at(-1);
    if (!last) return show(`There is nothing to ${action} on this page.`);
    if ((await edit(last.name, { action, operation: last.operation })) === undefined) return;
    from.splice(from.indexOf(last), 1);
    to.push(last);
  };
  const undo = toggle("undo", done, undone), redo = toggle("redo", undone, done);

  const clear = () => {
    marks.a = [];
    marks.b = [];
    report();
  };

  const report = () => {
    const shown = Object.fromEntries(layers().map((one) => [one.name, one.version]));
    document.body.dataset.voxomeEdits = JSON.stringify(shown);
    if (!bar) return;
    bar.hidden = !layers().some((one) => writable.has(one.name));
    const ids = (side) => marks[side].map((one) => one.id).join(" ") || "–";
    text.textContent = `1: ${ids("a")}   2: ${ids("b")}`;
  };

  const build = () => {
    bar = document.createElement("div");
    bar.id = "voxome-proofread";
    bar.title = KEYS;
    bar.style.cssText = "position:fixed;bottom:12px;left:12px;z-index:99;font:13px sans-serif;color:#eee";
    text = document.createElement("span");
    text.style.cssText = "background:#222;padding:4px 8px;border-radius:4px;white-space:pre";
    for (const [label, action] of Object.entries({ Merge: merge, Split: split, Undo: undo, Redo: redo, Clear: clear })) {
      const button = document.createElement("button");
      Object.assign(button, { textContent: label, onclick: action });
      bar.append(button);
    }
    bar.append(text);
    document.body.append(bar);
  };

  const keys = {
    Digit1: () => mark("a"), Digit2: () => mark("b"), Digit0: clear, KeyM: merge, KeyS: split,
    KeyZ: (event) => (event.shiftKey ? redo() : undo()),
  };
  addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || !writable.size || !(event.code in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.code](event);
  }, true);

  const look = async () => {
    const names = [...new Set(layers().map((one) => one.name))].sort();
    if (names.join() !== followed) {
      const query = new URLSearchParams(names.map((name) => ["layer", name]));
      events?.close();
      events = undefined;
      try {
        const listed = names.length ? await (await fetch(`${view}edits?${query}`, { cache: "no-store" })).json() : {};
        writable = new Set(Object.keys(listed).filter((name) => listed[name].writable));
        followed = names.join();
      } catch {
        return setTimeout(look, 2000);
      }
      if (names.length) {
        events = new EventSource(`${view}edits/events?${query}`);
        events.onmessage = (event) => {
          for (const [name, version] of Object.entries(JSON.parse(event.data)))
            follow(name, version).catch((error) => show(`${name}: ${error.message}`));
        };
      }
      report();
    }
    setTimeout(look, 1000);
  };

  addEventListener("load", () => {
    build();
    report();
    look();
  });
})();
