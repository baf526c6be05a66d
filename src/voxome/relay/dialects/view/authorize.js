// Logs in for a viewer of another origin, which has opened this window, and lends it a token that only reads.
(() => {
  const viewer = document.referrer ? new URL(document.referrer).origin : "";
  const view = new URL("../../../", location.href).href;
  const base = new URL("../", view).href;

  const say = (...parts) => document.body.replaceChildren(...parts);
  const line = (text) => Object.assign(document.createElement("p"), { textContent: text });

  const post = async (path, body) => {
    const answer = await fetch(`${view}${path}?${new URLSearchParams({ base })}`, {
      method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    });
    const reply = await answer.json();
    if (!answer.ok) throw new Error(reply.message);
    return reply;
  };

  const ask = (text, label, fields, action) => {
    const form = document.createElement("form");
    const button = Object.assign(document.createElement("button"), { textContent: label, disabled: true });
    const reason = line(text);
    form.append(reason, ...fields, button);
    form.onsubmit = async (event) => {
      event.preventDefault();
      await action().catch((error) => { reason.textContent = error.message; });
    };
    say(form);
    fields[0]?.focus();
    // The viewer chooses when this window opens: keys and clicks that were meant for its page say nothing.
    setTimeout(() => { button.disabled = false; }, 1000);
  };

  const consent = (user) =>
    ask(`${viewer} wants to read what you, ${user}, may read here.`, "Allow", [], async () => {
      const { token } = await post("middleauth/lend", { origin: viewer });
      opener.postMessage({ token, app_urls: [location.origin] }, viewer);
      say(line("The viewer may read now. You can close this window."));
    });

  const logIn = () => {
    const field = Object.assign(document.createElement("input"), {
      type: "password", placeholder: "token", autocomplete: "off", required: true,
    });
    ask(`Log in with your token, so that ${viewer} can show what you may read.`, "Log in", [field], async () => {
      const { user } = await post("login", { token: field.value });
      consent(user);
    });
  };

  addEventListener("DOMContentLoaded", async () => {
    if (!window.opener || window.top !== window || !viewer) return say(line("Open this page from a viewer, by its button Login."));
    const { user } = await (await fetch(`${view}session`, { cache: "no-store" })).json();
    user ? consent(user) : logIn();
  });
})();
