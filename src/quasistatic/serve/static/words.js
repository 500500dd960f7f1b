// The words of the page: one JSON file per language. `?lang=ko` chooses, and is remembered.

const LANGUAGES = { en: "English", ko: "한국어" };
let words = {};
export let language = "en";

export async function loadWords() {
  const asked = new URLSearchParams(location.search).get("lang") ?? kept("lang") ?? "en";
  language = asked in LANGUAGES ? asked : "en";
  keep("lang", language);
  const answer = await fetch(`/static/words/${language}.json`);
  words = await answer.json();
  document.documentElement.lang = language;
}

/** The text of a key, with {names} replaced by values. */
export function t(key, values = {}) {
  const text = words[key];
  if (text === undefined) throw new Error(`no word is called ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The text of a key that may be missing, as of a name that the server chose. */
export function maybe(key, otherwise) {
  return words[key] ?? otherwise;
}

export function otherLanguages() {
  return Object.entries(LANGUAGES).filter(([code]) => code !== language);
}

export function kept(name) {
  try {
    return localStorage.getItem(`quasistatic.${name}`);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`quasistatic.${name}`, value);
  } catch {
    // a browser without storage forgets
  }
}

const digits = new Map();

/** A number with so many significant digits, in the reader's form. */
export function number(value, significant = 4) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && Math.abs(value) < 1e-5) return value.toExponential(1);
  if (!digits.has(significant)) {
    digits.set(significant, new Intl.NumberFormat(language, { maximumSignificantDigits: significant }));
  }
  return digits.get(significant).format(value);
}

export function whole(value) {
  return value === null || value === undefined ? "–" : new Intl.NumberFormat(language).format(value);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return t("time.seconds", { n: number(seconds, 2) });
  if (seconds < 5400) return t("time.minutes", { n: number(seconds / 60, 2) });
  return t("time.hours", { n: number(seconds / 3600, 2) });
}
