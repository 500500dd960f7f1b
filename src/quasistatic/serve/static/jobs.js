// What the worker does and what waits, for all tabs of the browser: a small list in the head, with cancel buttons.

import { OVER, ask, listen, post } from "./api.js";
import { fill, h } from "./dom.js";
import { t } from "./words.js";

const NAMES = {
  sample: "tab.samples", film: "samples.film", complete: "tab.complete", score: "tab.score", baselines: "score.baselines",
  data: "about.report", chain: "learn.chain", noising: "learn.noise", reverse: "learn.reverse", terms: "learn.bound",
};

/** Keep the list in `place`; it is hidden while nothing waits or runs. */
export function watchJobs(place) {
  const jobs = new Map();
  const runs = new Map();
  const list = h("ul");
  const summary = h("summary");
  const element = h("details", { class: "jobs hidden" }, summary, list);
  const rows = new Map();
  fill(place, element);

  function row(job) {
    const bar = h("progress", { max: 1, "aria-label": t("job.running") });
    const text = h("span");
    const cancel = () => post(`/api/jobs/${job.id}/cancel`, {}).catch(() => {});
    const own = h("li", {}, text, bar, h("button", { type: "button", onclick: cancel }, t("job.cancel")));
    const update = (now) => {
      const running = now.state !== "waiting";
      fill(text, [t(NAMES[now.kind]), runs.get(now.run), running ? null : t("job.waiting")].filter(Boolean).join(" · "));
      if (running && now.total > 0) bar.value = now.done / now.total;
    };
    return { element: own, update };
  }

  function hear(job) {
    if (!(job.kind in NAMES)) return;
    if (OVER.includes(job.state)) {
      jobs.delete(job.id);
      rows.get(job.id)?.element.remove();
      rows.delete(job.id);
    } else {
      jobs.set(job.id, job);
      if (!rows.has(job.id)) {
        rows.set(job.id, row(job));
        list.append(rows.get(job.id).element);
      }
      rows.get(job.id).update(job);
    }
    element.classList.toggle("hidden", jobs.size === 0);
    fill(summary, t("job.count", { n: jobs.size }));
  }

  const learn = (all) => all.forEach((run) => runs.set(run.id, run.name));
  ask("/api/runs").then((answer) => learn(answer.runs), () => {});
  listen("runs", learn);
  listen("job", hear);
}
