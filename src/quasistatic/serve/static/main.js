// The page: its head, and the view that the address names.

import { connect, listen } from "./api.js";
import { fill, h } from "./dom.js";
import { watchJobs } from "./jobs.js";
import { notice } from "./parts.js";
import { keep, kept, loadWords, otherLanguages, t } from "./words.js";

const VIEWS = {
  runs: () => import("./view/runs.js"),
  run: () => import("./view/run.js"),
  learn: () => import("./view/learn.js"),
};

const byId = (id) => document.getElementById(id);
let leave = null;
let shown = 0;

async function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
  const view = name in VIEWS ? name : "runs";
  const turn = ++shown;
  leave?.();
  leave = null;
  head(view);
  const main = byId("main");
  try {
    const { render } = await VIEWS[view]();
    const place = h("div");
    const left = await render(place, rest);
    if (turn !== shown) return left?.();
    leave = left;
    fill(main, place);
  } catch (error) {
    if (turn === shown) fill(main, notice(error.message, true));
  }
}

function head(view) {
  const here = (own) => (own ? "page" : null);
  fill(byId("nav"), h("a", { href: "#/", "aria-current": here(view !== "learn") }, t("nav.runs")),
    h("a", { href: "#/learn", "aria-current": here(view === "learn") }, t("nav.learn")));
  const dark = document.documentElement.dataset.theme === "dark";
  const theme = h("button", { type: "button", id: "theme", onclick: () => setTheme(dark ? "light" : "dark") },
    dark ? t("theme.light") : t("theme.dark"));
  const languages = otherLanguages().map(([code, name]) =>
    h("a", { class: "button", lang: code, href: `?lang=${code}${location.hash}` }, name));
  fill(byId("tools"), languages, theme);
  fill(byId("skip"), t("nav.skip"));
  fill(byId("footer"), t("footer"));
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  keep("theme", name);
  route();
}

async function begin() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = kept("theme") ?? dark;
  await loadWords();
  listen("link", (there) => fill(byId("banner"), there ? null : notice(t("error.link"), true)));
  watchJobs(byId("jobs"));
  connect();
  addEventListener("hashchange", () => {
    route().then(() => byId("main").focus({ preventScroll: true }));
  });
  await route();
}

begin();
