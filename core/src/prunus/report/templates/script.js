(() => {
  const body = document.body, button = document.getElementById("theme");
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => body.dataset.theme ? body.dataset.theme === "dark" : preferred.matches;
  const name = () => { button.textContent = dark() ? "light" : "dark"; button.setAttribute("aria-label", "switch to " + button.textContent + " colours"); };
  button.hidden = false;
  button.addEventListener("click", () => { body.dataset.theme = dark() ? "light" : "dark"; name(); });
  preferred.addEventListener("change", name);
  name();
  const details = document.querySelector(".details"), parts = [...document.querySelectorAll(".part")];
  const show = part => {
    const [first, ...rest] = part.querySelector("title").textContent.split("\n");
    const strong = document.createElement("b");
    strong.textContent = first;
    details.replaceChildren(strong, ...rest.flatMap(line => [document.createElement("br"), line]));
    for (const one of parts) one.classList.toggle("tied", part.dataset.group !== "" && one.dataset.group === part.dataset.group);
  };
  parts.forEach((part, index) => {
    part.addEventListener("mouseenter", () => show(part));
    part.addEventListener("focus", () => show(part));
    part.addEventListener("keydown", event => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      const next = step && parts[index + step];
      if (next) { event.preventDefault(); part.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    });
  });
  if (parts.length) parts[0].tabIndex = 0;
})();
