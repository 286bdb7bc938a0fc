"use strict";
// Between a page and lab: frames that come, and what is asked. What goes wrong is told, not thrown.
(function () {
  const FIRST_MS = 1000;
  const LONGEST_MS = 30000;
  const NEEDS_ADDRESS = "This page needs the address that the terminal shows.";

  // Calls `show(frame)` with each frame, and `say(text)` with what is wrong, "" where nothing is.
  function listen(show, say) {
    let frame = null;
    let wait = FIRST_MS;
    function open() {
      const stream = new EventSource("/frames");
      stream.addEventListener("whole", (event) => { frame = JSON.parse(event.data); show(frame); });
      stream.addEventListener("patch", (event) => { frame = window.labApply(frame, JSON.parse(event.data)); show(frame); });
      stream.addEventListener("open", () => { wait = FIRST_MS; say(""); });
      stream.addEventListener("error", () => {
        if (stream.readyState !== EventSource.CLOSED) { say("The connection to lab is gone; trying again."); return; }
        // No browser comes back by itself to a server that has refused it.
        say(`Lab does not show this page anything: it has ended, or too many look on already. Trying again in ${wait / 1000} s.`);
        setTimeout(open, wait);
        wait = Math.min(2 * wait, LONGEST_MS);
      });
    }
    open();
  }

  // Returns what to tell whoever has asked for it, "" where it was done.
  async function act(token, what, value) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ do: what, value: value === undefined ? null : value });
    try {
      const answer = await fetch("/act", { method: "POST", headers, body });
      document.documentElement.dataset.acted = `${what} ${answer.status}`;
      return answer.ok ? "" : await refusal(answer);
    } catch {
      return `Lab does not answer; whether "${what}" was done is not known.`;
    }
  }

  async function refusal(answer) {
    if (answer.status === 401) return NEEDS_ADDRESS;
    if (answer.status === 400) return (await answer.json()).refused;
    return `Lab could not do it (${answer.status}); its terminal says why.`;
  }

  // Returns what only the trainer is shown, or in `refused` why there is nothing to show.
  async function notes(token) {
    try {
      const answer = await fetch("/notes", { headers: { authorization: `Bearer ${token}` } });
      return answer.ok ? await answer.json() : { refused: await refusal(answer) };
    } catch {
      return { refused: "Lab does not answer." };
    }
  }

  window.labWire = { listen, act, notes };
})();
