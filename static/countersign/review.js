// Opens or closes every diff of the list; each loads itself when it is opened. Without this script
// each file still opens by itself, or on a page of its own.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const MOST = 100;
  const controls = document.querySelector("[data-open-all]");
  const files = () => [...document.querySelectorAll("#file-list details.file")];
  if (!controls || !files().length || files().length > MOST) return;
  controls.hidden = false;
  document.getElementById("open-all").addEventListener("click", () => {
    for (const file of files()) file.open = true;
  });
  document.getElementById("close-all").addEventListener("click", () => {
    for (const file of files()) file.open = false;
  });
});
