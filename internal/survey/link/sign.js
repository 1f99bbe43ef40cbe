// sign is what the form's field `sign` says where the page with this nonce was first used after so many milliseconds: the
// milliseconds, and the FNV-1a hash of nonce and milliseconds. The server does the same sum; a test holds these against it:
//
//   sign("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400) = "400.e9ed8b23"
//   sign("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401) = "401.e8ed8990"
//   sign("0123456789-_abcdefghijklmnopqrstuvwxyzABCDEF", 86399999) = "86399999.48b4b496"
function sign(nonce, elapsed) {
  var text = nonce + "." + elapsed;
  var hash = 0x811c9dc5;
  for (var i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return elapsed + "." + ("0000000" + (hash >>> 0).toString(16)).slice(-8);
}

// signForm fills in the form's field `sign` once somebody uses the page, by a key, a pointer, or a click, which is all that some
// screen readers make; but only what happens 400 ms after it was called, or later. It is to be called once, when the page is there.
// Events that a script makes are not trusted; but input, change and submit are, though a script clicked: they say nothing here.
function signForm(form) {
  var begun = performance.now();
  var kinds = ["pointerdown", "keydown", "click"];
  function see(event) {
    var elapsed = Math.round(performance.now() - begun);
    if (!event.isTrusted || elapsed < 400) {
      return;
    }
    form.elements.sign.value = sign(form.elements.page.value, elapsed);
    kinds.forEach(function (kind) { removeEventListener(kind, see, true); });
  }
  kinds.forEach(function (kind) { addEventListener(kind, see, true); });
}

// lookForm sends the form, with the field `looked`, once the page was visible for five seconds in all, unless somebody changed or sent
// the form before. What it says there is the sign of the nonce with ".looked" behind it, so that it is no sign of a person:
//
//   sign("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.looked", 5000) = "5000.8bad3c36"
function lookForm(form) {
  var seen = 0;
  var since = 0;
  var timer = 0;
  var over = false;
  function stop() {
    clearTimeout(timer);
    if (since) {
      seen += performance.now() - since;
    }
    since = 0;
  }
  function end() {
    over = true;
    stop();
  }
  function go() {
    stop();
    if (over || document.visibilityState !== "visible") {
      return;
    }
    if (seen < 5000) {
      since = performance.now();
      timer = setTimeout(go, Math.ceil(5000 - seen));
      return;
    }
    var data = new URLSearchParams(new FormData(form));
    data.set("looked", sign(form.elements.page.value + ".looked", Math.round(seen)));
    end();
    fetch(form.action, { method: "POST", body: data, keepalive: true }).catch(function () {});
  }
  ["input", "change", "submit"].forEach(function (kind) { form.addEventListener(kind, end); });
  document.addEventListener("visibilitychange", go);
  go();
}
