// What pages that update themselves need beside htmx: rest while nobody looks, notice the end of
// a session, and say when the server does not answer.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = (event.detail.elt.getAttribute("hx-trigger") || "").startsWith("every");
  if (polls && document.hidden) event.preventDefault();
});

// A redirect to the sign-in page must not land inside of this one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  const asked = event.detail.pathInfo.requestPath;
  if (answered && new URL(answered).pathname !== new URL(asked, location.href).pathname) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// What a reader has opened stays open when the part around it is drawn anew.
let opened = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const folds = event.detail.target?.querySelectorAll?.("details[id][open]") ?? [];
  opened = [...folds].map((fold) => fold.id);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  opened = [];
});

const lost = () => {
  if (document.getElementById("out-of-date")) return;
  const note = document.createElement("p");
  note.id = "out-of-date";
  note.className = "notice notice--warn";
  note.setAttribute("role", "status");
  note.textContent =
    "Countersign does not answer at the moment: this page may be out of date. It keeps trying.";
  document.getElementById("content").prepend(note);
};
const found = () => document.getElementById("out-of-date")?.remove();

document.addEventListener("htmx:sendError", lost);
document.addEventListener("htmx:responseError", lost);
document.addEventListener("htmx:timeout", lost);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) found();
});
