// The other column: faults, and what the server saw of every device.

import { api } from "./api.js";
import { $, element, renderIfChanged } from "./dom.js";
import { during } from "./phone.js";
import { words } from "./words.js";

export function startWeather(refresh) {
  $("kind").append(...Object.entries(words.faults).map(([kind, [name]]) => element("option", { value: kind }, `${name} (${kind})`)));
  const help = () => {
    $("kind-help").textContent = words.faults[$("kind").value][1];
    for (const id of ["delay", "delay-label"]) $(id).hidden = $("kind").value !== "delay";
  };
  $("kind").addEventListener("change", help);
  help();
  $("fault").addEventListener("submit", (event) => {
    event.preventDefault();
    const fault = { kind: $("kind").value, target: $("target").value.trim() === "*" ? "*" : $("target").value.replace(/\D/g, "") };
    if ($("seconds").value) fault.seconds = Number($("seconds").value);
    if (fault.kind === "delay") fault.delaySeconds = Number($("delay").value);
    if ($("count").value) fault.count = Number($("count").value);
    during($("fault"), async () => {
      await api.fault(fault);
      await refresh();
    });
  });
  $("clear-faults").addEventListener("click", () => during($("fault"), async () => {
    await api.clearFaults();
    await refresh();
  }));
}

function faultRow(fault) {
  const name = words.faults[fault.kind]?.[0] ?? fault.kind;
  const whom = fault.target === "*" ? words.everyone : `+${fault.target}`;
  const details = [whom, fault.secondsLeft === null ? null : `${Math.round(fault.secondsLeft)} ${words.secondsLeft}`,
    fault.countLeft === null ? null : `× ${fault.countLeft}`, fault.delaySeconds ? `+${fault.delaySeconds} s` : null];
  return element("li", { class: "line" }, element("div", {}, element("strong", {}, name), element("small", {}, details.filter(Boolean).join(" · "))));
}

function deviceRow(device) {
  return element("tr", {},
    element("th", { scope: "row", title: device.jid }, `+${device.jid.split("@")[0]}`),
    element("td", {}, element("span", { class: `dot ${device.connected ? "up" : "down"}`, "aria-hidden": "true" }), " ", device.connected ? words.online : words.offline),
    element("td", { class: "number" }, String(device.connects)),
    element("td", { class: "number" }, `${device.socketsOpen} (${device.mostSocketsOpen})`));
}

export function showWeather(devices, faults, stats) {
  renderIfChanged($("faults"), faults, (all) => all.map(faultRow));
  $("no-faults").hidden = faults.length > 0;
  const seen = devices.map(({ jid, connected, connects, socketsOpen, mostSocketsOpen }) => ({ jid, connected, connects, socketsOpen, mostSocketsOpen }));
  renderIfChanged($("all"), seen, (all) => all.map(deviceRow));
  renderIfChanged($("targets"), [...new Set(devices.map((device) => device.jid.split("@")[0].split(":")[0]))], (all) =>
    [element("option", { value: "*" }, words.everyone), ...all.map((phone) => element("option", { value: phone }))]);
  const figures = Object.entries(stats).filter(([, value]) => ["number", "string"].includes(typeof value));
  renderIfChanged($("stats"), figures, (all) => all.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}
