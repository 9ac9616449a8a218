// Airflow's theme, links out of the frame that Airflow shows these pages in, the reader's own time, and the matrix by arrow keys.
"use strict";

const theme = () => {
  let chosen = "system";
  try { chosen = localStorage.getItem("theme") || "system"; } catch { /* no storage: the system decides */ }
  const dark = chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
};
theme();
addEventListener("storage", theme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);

// Airflow's frame may not steer the window that it is in; a link of that window's own document may.
const leave = (href) => {
  const page = window.parent.document;
  const link = page.createElement("a");
  link.href = href;
  page.body.append(link);
  link.click();
  link.remove();
};

const trigger = async (form) => {
  const told = form.querySelector("[role=alert]");
  const conf = {};
  for (const field of form.elements) {
    if (field.name) conf[field.name] = field.type === "checkbox" ? field.checked : field.value;
  }
  const answer = await fetch(form.dataset.trigger, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ logical_date: null, conf }),
  });
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) {
    leave(new URL(form.dataset.done + encodeURIComponent(found.dag_run_id), document.baseURI).href);
  } else {
    told.textContent = `Airflow answers ${answer.status}: ${typeof found.detail === "string" ? found.detail : JSON.stringify(found.detail)}`;
    told.hidden = false;
  }
};

addEventListener("DOMContentLoaded", () => {
  for (const time of document.querySelectorAll("time")) {
    time.title = `${new Date(time.dateTime).toLocaleString()} on your clock`;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-top]");
    if (link && window.parent !== window) { event.preventDefault(); leave(link.href); }
  });
  for (const form of document.querySelectorAll("form[data-trigger]")) {
    form.addEventListener("submit", (event) => { event.preventDefault(); trigger(form); });
  }
  const matrix = document.querySelector(".matrix");
  if (!matrix) return;
  const readout = document.getElementById("readout");
  const cells = [...matrix.querySelectorAll(".cell a")];
  const show = (event) => {
    const cell = event.target.closest(".cell a");
    if (cell) readout.textContent = cell.getAttribute("aria-label");
  };
  matrix.addEventListener("mouseover", show);
  matrix.addEventListener("focusin", show);
  cells.forEach((cell, n) => { cell.tabIndex = n ? -1 : 0; });
  matrix.addEventListener("keydown", (event) => {
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] || [0, 0];
    const at = event.target.closest(".cell");
    if (!at || (!down && !right)) return;
    event.preventDefault();
    let row = at.parentElement, column = at.cellIndex, next;
    do {
      column += right;
      row = down > 0 ? row.nextElementSibling : down < 0 ? row.previousElementSibling : row;
      next = row && column > 0 ? row.cells[column] : null;
    } while (next && !next.querySelector("a"));
    if (next) { event.target.tabIndex = -1; next.querySelector("a").tabIndex = 0; next.querySelector("a").focus(); }
  });
});
