// The colours are the system's, until somebody presses the button.
const themeButton = () => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const made = button("", () => { chosen = isDark() ? "light" : "dark"; show(); }, { class: "theme" });
  const isDark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    made.textContent = isDark() ? "☀ light" : "☾ dark";
    document.dispatchEvent(new Event("colours"));
  };
  system.addEventListener("change", show);
  show();
  return made;
};
