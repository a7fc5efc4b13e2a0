// What works without the model: the search in the table of inputs, and printing with the appendix.
(function () {
  "use strict";
  const search = document.getElementById("search");
  search.parentElement.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    document.querySelectorAll("#inputs tbody tr").forEach((line) => {
      line.hidden = !line.textContent.toLowerCase().includes(wanted);
    });
  });
  const appendix = document.getElementById("appendix");
  appendix.hidden = false;
  appendix.addEventListener("click", () => {
    document.body.classList.add("appendix");
    document.querySelectorAll("details").forEach((part) => { part.open = true; });
    window.print();
    document.body.classList.remove("appendix");
  });
}());
