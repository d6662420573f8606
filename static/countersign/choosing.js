// Choosing several versions in the queue: how many are chosen, and all of a page with one click.
// Without this the boxes and the two buttons work all the same.
"use strict";

const boxes = () => [...document.querySelectorAll('#list input[name="version"]')];

const show = () => {
  const form = document.getElementById("chosen");
  if (!form) return;
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  form.hidden = all.length === 0;
  form.querySelector("[data-chosen-count]").textContent = chosen
    ? `${chosen} chosen`
    : "Tick several to decide them at once";
  form.classList.toggle("chosen-bar--on", chosen > 0);
  for (const button of form.querySelectorAll("[data-needs-choice]")) {
    button.disabled = chosen === 0;
  }
  const whole = document.querySelector("[data-picks-all]");
  if (!whole) return;
  whole.hidden = all.length === 0;
  whole.checked = all.length > 0 && chosen === all.length;
  whole.indeterminate = chosen > 0 && chosen < all.length;
};

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-picks-all]")) {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.matches('[data-picks-all], #list input[name="version"]')) show();
});
document.addEventListener("htmx:afterSettle", show);
// A browser that goes back to this page brings its ticks along.
window.addEventListener("pageshow", show);
