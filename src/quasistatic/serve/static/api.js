// What the page asks the server, and what the server tells by itself.

import { t } from "./words.js";

export const OVER = ["done", "failed", "cancelled"];

const listeners = { job: new Set(), runs: new Set(), link: new Set() };

/** Ask for JSON. An error's message is the server's sentence. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("error.link"));
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(answer.status === 401 ? t("error.token") : (body.error ?? t("error.link")));
  return body;
}

export function post(path, content) {
  return ask(path, { method: "POST", body: JSON.stringify(content), headers: { "Content-Type": "application/json" } });
}

/** Send files as one upload; returns its id. */
export async function upload(files) {
  let key = null;
  for (const file of files) {
    const query = new URLSearchParams({ name: file.name ?? "file", ...(key ? { into: key } : {}) });
    const type = { "Content-Type": "application/octet-stream" };
    key = (await ask(`/api/uploads?${query}`, { method: "POST", body: file, headers: type })).upload;
  }
  return key;
}

/** Call `heard` with each event of a kind; returns what ends it. */
export function listen(kind, heard) {
  listeners[kind].add(heard);
  return () => listeners[kind].delete(heard);
}

/** Begin to hear the server. When the link comes back, what was missed is asked for. */
export function connect() {
  const source = new EventSource("/api/events");
  const tell = (kind, data) => listeners[kind].forEach((heard) => heard(data));
  source.addEventListener("job", (event) => tell("job", JSON.parse(event.data)));
  source.addEventListener("runs", (event) => tell("runs", JSON.parse(event.data)));
  source.onopen = async () => {
    tell("link", true);
    for (const job of (await ask("/api/jobs").catch(() => ({ jobs: [] }))).jobs) tell("job", job);
  };
  source.onerror = () => tell("link", false);
  addEventListener("pagehide", () => source.close());
}

/**
 * A piece of work: `result` is a promise; `cancel` stops it, and is done when the server knows. `watch` is called with the
 * job as it changes, `onPart` with each part of the result that can be shown before the rest is there, in order. It is
 * asked for when `before` is done.
 */
export function work(kind, request, { watch = () => {}, onPart = null, before = null } = {}) {
  let id = null;
  let parts = 0;
  let shown = Promise.resolve();
  const early = new Map();
  const asked = Promise.resolve(before).then(() => post("/api/jobs", { kind, ...request }));
  const result = new Promise((resolve, reject) => {
    const hear = (job) => {
      if (id === null) return early.set(job.id, job);
      if (job.id !== id) return;
      watch(job);
      for (; onPart && parts < (job.parts ?? 0); parts++) {
        const path = `/api/jobs/${id}/parts/${parts}`;
        shown = shown.then(() => ask(path)).then(onPart).catch(() => {}); // the whole result has what was missed
      }
      if (!OVER.includes(job.state)) return;
      ended();
      if (job.state === "done") ask(`/api/jobs/${id}/result`).then(async (made) => {
        await shown;
        resolve({ ...made, job });
      }, reject);
      else reject(Object.assign(new Error(job.sentence ?? t("job.cancelled")), { cancelled: job.state === "cancelled" }));
    };
    const ended = listen("job", hear);
    asked.then((job) => {
      id = job.id;
      hear(job);
      if (early.has(id) && !OVER.includes(job.state)) hear(early.get(id));
    }, (error) => {
      ended();
      reject(error);
    });
  });
  const cancel = () => asked.then((job) => post(`/api/jobs/${job.id}/cancel`, {})).catch(() => {});
  return { result, cancel };
}
