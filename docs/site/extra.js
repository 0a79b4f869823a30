// Code and tables that are wider than the page can be scrolled by keyboard, too, and buttons have a name.
addEventListener("load", () => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) table.tabIndex = 0;
  document.querySelectorAll("pre > code").forEach((code, number) => {
    code.tabIndex = 0;
    const buttons = code.parentElement.querySelector(".md-code__nav");
    if (buttons) buttons.setAttribute("aria-label", `Code ${number + 1}`);
  });
});
