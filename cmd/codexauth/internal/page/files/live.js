
"use strict";
(() => {
  const every = 2000;
  const note = document.getElementById("live");
  let timer = 0, over = false;

  // sync makes the node old look like the node now, and touches only what differs,
  // so that focus, selection and what a screen reader reads stay where they are.
  function sync(old, now) {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) {
      old.replaceWith(document.importNode(now, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const [olds, nows] = [[...old.childNodes], [...now.childNodes]];
    nows.forEach((child, i) => i < olds.length ? sync(olds[i], child) : old.append(document.importNode(child, true)));
    olds.slice(nows.length).forEach(child => child.remove());
  }

  function say(text) {
    if (note.textContent !== text) note.textContent = text;
  }

  async function look() {
    clearTimeout(timer);
    if (over || document.hidden) return;
    try {
      const answer = await fetch("now", { cache: "no-store", credentials: "same-origin", redirect: "error" });
      if (answer.status === 403 || answer.status === 404) {
        over = true;
        say("This page has ended: open a new one with codexauth serve open");
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      sync(document.querySelector("main"), fresh.querySelector("main"));
      if (document.title !== fresh.title) document.title = fresh.title;
      say("Live, as of " + fresh.querySelector("main").dataset.now);
    } catch (e) {
      say("Nobody answers any more: does codexauth serve open still run?");
    }
    timer = setTimeout(look, every);
  }

  document.addEventListener("visibilitychange", look);
  look();
})();
