// Copies or prints what is shown only once. Without this, browsers do both by their own means.
"use strict";

(() => {
  const copied = async (button) => {
    const lines = document.querySelectorAll(`${button.dataset.copy} li`);
    const text = Array.from(lines, (line) => line.textContent.trim()).join("\n");
    try {
      await navigator.clipboard.writeText(`${text}\n`);
      return "Copied.";
    } catch {
      return "The browser does not allow that. Select the codes and copy them by hand.";
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy], [data-print]");
    if (!button) return;
    if ("print" in button.dataset) window.print();
    else document.querySelector("[data-copied]").textContent = await copied(button);
  });

  for (const button of document.querySelectorAll("[data-copy], [data-print]")) {
    button.hidden = "copy" in button.dataset && !navigator.clipboard;
  }
})();
