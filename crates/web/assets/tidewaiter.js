// Keeps the page current: asks for it again every two seconds while it is looked at, and swaps the main part
// when it has changed. Without scripts the page works the same, by reloading.
"use strict";
async function refresh() {
  if (document.hidden || document.querySelector("form.login")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [now, then] = [document.querySelector("main"), page.querySelector("main")];
    if (then && now.innerHTML !== then.innerHTML) now.replaceWith(then);
  } catch {
    // The server is away: the next round tries again.
  }
}
setInterval(refresh, 2000);
