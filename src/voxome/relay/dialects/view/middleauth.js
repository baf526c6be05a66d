// Logs in for a viewer of another origin, which has opened this window, and lends it a token that only reads. Opened by
// anybody else, it shows who is logged in here and which viewers read as they do, and logs in and out.
(() => {
  const view = new URL(document.body.dataset.view, location.href).href;
  const base = new URL("../", view).href;
  const isOpened = Boolean(window.opener) && window.top === window && Boolean(document.referrer);
  const viewer = isOpened ? new URL(document.referrer).origin : "";

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
      await action().catch((error) => {
        reason.textContent = error.message;
        reason.setAttribute("role", "alert");
      });
    };
    fields[0]?.focus();
    // The viewer chooses when this window opens: keys and clicks that were meant for its page say nothing.
    setTimeout(() => { button.disabled = false; }, 1000);
    return form;
  };

  const logOut = () => ask("", "Log out", [], async () => {
    await post("logout", {});
    await begin();
  });

  const consent = (user) => {
    const text = `${viewer} wants to read what you, ${user}, may read here.`;
    const allow = ask(text, "Allow", [], async () => {
      const { token } = await post("middleauth/lend", { origin: viewer });
      opener.postMessage({ token, app_urls: [location.origin] }, viewer);
      say(line("The viewer may read now. You can close this window."));
    });
    say(allow, logOut());
  };

  const account = ({ user, viewers }) => {
    const list = document.createElement("ul");
    list.append(...viewers.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
    const text = viewers.length ? "These viewers read as you do until you log out:" : "No viewer reads as you do.";
    const page = Object.assign(document.createElement("a"), { href: view, textContent: "Show what you may read" });
    say(line(`You are logged in as ${user}.`), line(text), list, page, logOut());
  };

  const logIn = (expired) => {
    const field = Object.assign(document.createElement("input"), {
      type: "password", placeholder: "token", autocomplete: "off", required: true,
    });
    const reason = viewer
      ? `Log in with your token, so that ${viewer} can show what you may read.`
      : `${expired ? "Your session has ended. " : ""}Log in with your token, for what is not public here.`;
    const form = ask(reason, "Log in", [field], async () => {
      await post("login", { token: field.value }).catch((error) => {
        field.select();
        throw new Error(`You are not logged in: ${error.message}`);
      });
      await begin();
    });
    say(form);
    field.focus();
  };

  const begin = async () => {
    const answer = await fetch(`${view}session`, { cache: "no-store" });
    if (!answer.ok) return say(line(`The server cannot tell who you are (${answer.status}). Reload the page in a moment.`));
    const session = await answer.json();
    if (!session.user) logIn(session.expired);
    else if (viewer) consent(session.user);
    else account(session);
  };

  addEventListener("DOMContentLoaded", begin);
})();
