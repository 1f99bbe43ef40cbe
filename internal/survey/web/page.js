// What the page can do with a script besides: what is asked behind the number goes by the number that is chosen.
(function () {
  var form = document.querySelector("form");
  if (!form) return;
  signForm(form);
  var label = form.querySelector("label[for=comment]");
  form.addEventListener("change", function (event) {
    if (event.target.name !== "score") return;
    var score = Number(event.target.value);
    label.firstElementChild.textContent = label.getAttribute(score > 8 ? "data-promoters" : score > 6 ? "data-passives" : "data-detractors");
  });
})();
