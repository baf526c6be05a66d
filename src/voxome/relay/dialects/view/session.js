// Logs in and out. When a session has ended, the page says so in place of data, which would be drawn as empty tissue.
(() => {
  const { answered, base, firstState, here, view } = window.voxome;
  const CHECK_MS = 3000;
  let user = "";

  const ask = async () => {
    const answer = await fetch(`${view}session`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  };

  const post = async (path, body) => {
    const answer = await fetch(`${view}${path}?${new URLSearchParams({ base })}`, {
      method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    });
    if (!answer.ok) throw new Error((await answer.json()).message);
  };

  const form = (reason, { cover, keepState }) => {
    if (document.querySelector("#voxome-login")) return;
    const sheet = document.createElement("div");
    sheet.id = "voxome-login";
    sheet.setAttribute("role", "alertdialog");
    sheet.style.cssText =
      "position:fixed;inset:0;z-index:100;display:flex;align-items:center;justify-content:center;" +
      `font:15px sans-serif;color:#eee;background:${cover ? "#402020" : "#000a"}`;
    const box = document.createElement("form");
    box.style.cssText = "background:#222;padding:20px;border-radius:6px;display:grid;gap:10px;max-width:26em";
    const text = document.createElement("div");
    text.textContent = reason;
    const field = document.createElement("input");
    Object.assign(field, { type: "password", placeholder: "token", autocomplete: "off", required: true });
    const enter = document.createElement("button");
    enter.textContent = "Log in";
    box.append(text, field, enter);
    if (!cover) {
      const cancel = document.createElement("button");
      Object.assign(cancel, { type: "button", textContent: "Cancel", onclick: () => sheet.remove() });
      box.append(cancel);
    }
    box.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await post("login", { token: field.value });
      } catch (error) {
        text.textContent = `You are not logged in: ${error.message}`;
        return;
      }
      if (!keepState) history.replaceState(null, "", here + location.search);
      location.reload();
    };
    for (const event of ["keydown", "keyup", "keypress"]) sheet.addEventListener(event, (one) => one.stopPropagation());
    const covered = document.createElement("style"); // no button is seen that the sheet keeps from being clicked
    covered.textContent = "body > [id^=voxome-]:not(#voxome-login) { display: none !important }";
    sheet.append(covered, box);
    document.body.append(sheet);
    field.focus();
  };

  const watch = async () => {
    let wait = CHECK_MS;
    try {
      const now = await ask();
      if (user && now.user !== user) {
        form("Your session has ended, so that nothing is shown any longer. Log in again to go on.", { cover: true, keepState: true });
        return;
      }
      wait = Math.max(50, Math.min(CHECK_MS, now.left_s * 1000 - 100));
    } catch {
      // the server is away: viewers repeat their requests, and so does this page
    }
    setTimeout(watch, wait);
  };

  const begin = async () => {
    const answer = await ask().catch(() => ({ user: "", expired: false }));
    user = answer.user;
    const button = document.createElement("button");
    button.id = "voxome-account";
    button.style.cssText = "position:fixed;bottom:12px;right:76px;z-index:99;padding:4px 10px";
    button.textContent = user ? `Log out ${user}` : "Log in";
    button.onclick = async () => {
      if (!user) return form("Log in with your token, to see what is not public.", { cover: false, keepState: false });
      user = "";
      await post("logout", {});
      location.href = here + location.search;
      location.reload();
    };
    document.body.append(button);
    if (user) setTimeout(watch, CHECK_MS);
    else if (answer.expired) form("Your session has ended. Log in again.", { cover: true, keepState: true });
    else if ((await (answered ?? fetch(firstState)))?.status === 401)
      form("What this address shows is not public. Log in with your token.", { cover: false, keepState: false });
  };

  addEventListener("load", begin);
})();
