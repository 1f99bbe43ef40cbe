// What the page can do with a script besides. What is asked behind the number goes by the number that is chosen. And whoever goes back
// to the page gets a new one, since nothing is kept of it; but it is the same page to them, and what they send from it changes their
// answer. So its entry of the tab's history remembers which page it was, and nobody else does, not its address either.
(function () {
  var form = document.querySelector("form");
  if (!form) return;
  var entry = history.state;
  var navigation = performance.getEntriesByType("navigation")[0];
  if (entry && entry.page && navigation && navigation.type === "back_forward") form.elements.page.value = entry.page;
  else history.replaceState({ page: form.elements.page.value }, "");
  signForm(form);
  if (form.hasAttribute("data-looks")) lookForm(form);
  var label = form.querySelector("label[for=comment]");
  form.addEventListener("change", function (event) {
    if (event.target.name !== "score") return;
    var score = Number(event.target.value);
    label.firstElementChild.textContent = label.getAttribute(score > 8 ? "data-promoters" : score > 6 ? "data-passives" : "data-detractors");
  });
})();
