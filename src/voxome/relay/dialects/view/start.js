// Gives Neuroglancer its first state, and adds a button that makes a short link to the present one.
(() => {
  const here = location.href.replace(/[#?].*$/, "");
  const base = new URL("../../..", here).href;
  const view = new URL("../..", here).href;
  const query = new URLSearchParams(location.search);
  const parameters = new URLSearchParams({ base });
  for (const one of query.getAll("layer")) parameters.append("layer", one);
  const shared = query.get("s");
  const path = shared ? `states/${encodeURIComponent(shared)}` : "state";
  const firstState = `${view}${path}?${parameters}`;

  // Neuroglancer would show the raw answer of a relay that refuses; so it begins empty, until the state is there.
  const begins = !/^#!.*(layers|:\/\/)/.test(location.hash);
  if (begins) history.replaceState(null, "", `${location.pathname}${location.search}#!%7B%7D`);
  const answered = begins ? fetch(firstState).catch(() => null) : undefined;

  const show = (text, lasting_ms = 15000) => {
    const note = document.createElement("div");
    note.textContent = text;
    note.style.cssText =
      "position:fixed;bottom:44px;right:12px;z-index:99;max-width:60%;padding:6px 10px;border-radius:4px;" +
      "background:#222;color:#eee;font:13px sans-serif;user-select:all;overflow-wrap:anywhere";
    document.body.append(note);
    setTimeout(() => note.remove(), lasting_ms);
    return note;
  };
  window.voxome = { answered, base, firstState, here, show, view };

  const share = async () => {
    const controller = AbortSignal.timeout(2000);
    try {
      const answer = await fetch(`${view}states?${new URLSearchParams({ base })}`, {
        method: "POST", body: JSON.stringify(window.viewer.state.toJSON()), signal: controller,
        headers: { "Content-Type": "application/json" },
      });
      const { id, message } = await answer.json();
      if (!answer.ok) throw new Error(message);
      const link = `${here}?s=${id}`;
      show(link);
      await navigator.clipboard?.writeText(link);
    } catch (error) {
      show(`The relay keeps no link: ${error.message}. The address of this page has the whole state.`);
    }
  };

  // Whether two annotations are one: the store has ids of its own, and positions of 32 bits.
  const isSame = (one, other) =>
    one.type === other?.type && (one.description ?? "") === (other.description ?? "") &&
    String(one.segments ?? "") === String(other.segments ?? "") &&
    ["point", "pointA", "pointB", "center", "radii"].every((place) => (one[place] ?? []).every(
      (value, axis) => Math.abs(value - other[place]?.[axis]) <= 1e-3 + 1e-6 * Math.abs(value)));

  // Keeps the annotations of a layer: what is drawn, moved or deleted is sent to the relay a moment later.
  const keep = (name) => {
    const address = `${view}annotations/${encodeURIComponent(name)}`;
    const drawn = () => {
      const layer = window.viewer.state.toJSON().layers?.find((one) => one.name === name);
      return layer === undefined ? undefined : layer.annotations ?? [];
    };
    let version, sent, timer, note, busy = false, tries = 0;
    const isUnsent = () => version !== undefined && drawn() !== undefined && JSON.stringify(drawn()) !== sent;
    const send = async () => {
      if (!isUnsent() || busy) return;
      const annotations = drawn();
      const text = JSON.stringify(annotations);
      busy = true;
      try {
        const answer = await fetch(address, {
          method: "PUT", body: JSON.stringify({ annotations, version }), headers: { "Content-Type": "application/json" },
        });
        const reply = await answer.json().catch(() => ({ message: `status ${answer.status}` }));
        if (answer.ok || (answer.status === 409 && tries && await isStored(annotations))) {
          if (answer.ok) version = reply.version;
          sent = text;
          tries = 0;
          document.body.dataset.voxomeKept = String(annotations.length);
          note?.remove();
        } else throw Object.assign(new Error(reply.message), { isRefused: answer.status < 500 && answer.status !== 429 });
      } catch (error) {
        tries = error.isRefused ? 0 : tries + 1;
        note?.remove();
        note = show(`${name}: not kept${tries ? " yet, it is sent again" : ""}: ${error.message}`, 3600000);
      }
      busy = false;
      if (tries || JSON.stringify(drawn()) !== text) later();
    };
    // An answer that was lost on its way may have been that all is stored.
    const isStored = async (annotations) => {
      const stored = await (await fetch(address)).json();
      const same = annotations.length === stored.annotations.length &&
        annotations.every((one) => stored.annotations.some((other) => isSame(one, other)));
      if (same) version = stored.version;
      return same;
    };
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(send, Math.min(400 * 2 ** tries, 30000));
    };
    addEventListener("beforeunload", (event) => {
      if (isUnsent()) event.preventDefault();
    });
    // The address of a page that is loaded again, or an old link, has what was stored at another time.
    const restore = (stored) => {
      const lost = drawn().filter((one, at) => !isSame(one, stored[at]) && !stored.some((other) => isSame(one, other)));
      if (!lost.length && drawn().length === stored.length) return;
      const state = window.viewer.state.toJSON();
      state.layers.find((one) => one.name === name).annotations = stored;
      window.viewer.state.restoreState(state);
      if (lost.length) show(`${name}: ${lost.length} annotations in the address of this page are not stored (any longer).`);
    };
    const begin = async () => {
      if (drawn() === undefined) return setTimeout(begin, 200);
      const answer = await fetch(address).catch(() => null);
      if (!answer?.ok) return show(`${name}: nothing is kept that is drawn now. Load the page again later.`, 3600000);
      const stored = await answer.json();
      if (drawn() === undefined) return setTimeout(begin, 200); // another state is being built
      restore(stored.annotations);
      version = stored.version;
      sent = JSON.stringify(drawn());
      document.body.dataset.voxomeKept = String(stored.annotations.length);
      window.viewer.state.changed.add(later);
    };
    begin();
  };

  // Neuroglancer writes its state into the address whenever it likes, so the first state is not given to it there.
  const give = (state) => {
    if (!window.viewer?.state) return setTimeout(give, 50, state);
    window.viewer.state.reset();
    window.viewer.state.restoreState(state);
  };

  const begin = async () => {
    const answer = await answered;
    if (answer?.ok) {
      give(await answer.json());
      tellWhatIsLeftOut(answer.headers);
      return;
    }
    if (answer?.status === 401) return; // the page asks for a login
    const reason = answer === null ? "the relay cannot be reached" : (await answer.json().catch(() => ({}))).message;
    const advice = answer === null || answer.status >= 500 ? " Load the page again later." : "";
    show(`Nothing is shown: ${reason ?? answer.statusText}.${advice}`, 3600000);
  };

  // A layer that is not there would be taken for one that is empty.
  const tellWhatIsLeftOut = (headers) => {
    const [away, refused] = [headers.get("X-Voxome-Left-Out"), headers.get("X-Voxome-Refused")];
    if (!away && !refused) return;
    document.body.dataset.voxomeLeftOut = [away, refused].filter(Boolean).join(", ");
    const sentences = [
      away && `Not shown, because their stores cannot be reached now: ${away}. Load the page again later.`,
      refused && `Not shown, as you may not read them, or have not logged in: ${refused}.`,
    ];
    show(sentences.filter(Boolean).join(" "), 3600000);
  };

  addEventListener("load", () => {
    if (begins) begin();
    for (const name of JSON.parse(document.querySelector("meta[name=voxome-edited]").content)) keep(name);
    const button = document.createElement("button");
    button.id = "voxome-share";
    button.textContent = "Share";
    button.title = "Make a short link to this view";
    button.style.cssText = "position:fixed;bottom:12px;right:12px;z-index:99;padding:4px 10px";
    button.onclick = share;
    document.body.append(button);
  });
})();
