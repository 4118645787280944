// The phone: who holds it, its chats, its linked devices. Everything is polled; the page keeps no truth of its own.

import { api, base64Of, payloadOf } from "./api.js";
import { $, element, face, renderIfChanged } from "./dom.js";
import { language, translate, words } from "./words.js";
import { showWeather, startWeather } from "./weather.js";

const POLL_MILLISECONDS = 1200;
const state = { phone: null, name: null, chat: null, messages: [], phones: [], devices: [], pairings: [], quoted: null };
const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "long" });

const digits = (text) => text.replace(/\D/g, "");
const pretty = (phone) => (/^\d+$/.test(phone) ? `+${phone}` : phone);
const nameOf = (chat) => {
  const known = state.phones.find((phone) => phone.phone === chat)?.name;
  const told = state.messages.findLast((message) => message.from === chat && message.pushName)?.pushName;
  return known ?? told ?? (chat.endsWith("@g.us") ? `${words.group} ${chat.split("@")[0]}` : pretty(chat));
};
const phoneOf = (jid) => jid.split("@")[0].split(":")[0].split(".")[0];

let toastTimer;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), 5000);
}

/** Run what a form does, with its buttons off meanwhile and its error said. */
export async function during(form, action) {
  const buttons = [...form.querySelectorAll("button")];
  buttons.forEach((button) => (button.disabled = true));
  try {
    await action();
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

function show(view) {
  for (const name of ["choose", "chats", "chat"]) $(`view-${name}`).hidden = name !== view;
}

async function pickUp(phone, name) {
  toast(words.connecting);
  const answer = await api.ensure(phone, name);
  $("toast").hidden = true;
  Object.assign(state, { phone: answer.phone, name: answer.name, chat: null, messages: [] });
  localStorage.setItem("phone", answer.phone);
  show("chats");
  await refresh();
}

function putDown() {
  localStorage.removeItem("phone");
  Object.assign(state, { phone: null, chat: null, messages: [] });
  show("choose");
  refresh();
  $("number").focus();
}

function openChat(chat) {
  state.chat = chat;
  quote(null);
  show("chat");
  render();
  $("talk").scrollTop = $("talk").scrollHeight;
  $("text").focus();
  markRead();
}

function closeChat() {
  state.chat = null;
  show("chats");
  render();
}

async function markRead() {
  const unread = state.messages.some((m) => m.chat === state.chat && !m.fromMe && m.status === null);
  if (!unread || document.hidden || state.chat === null) return;
  try {
    await api.read(state.phone, state.chat);
  } catch (error) {
    toast(error.message);
  }
}

function quote(message) {
  state.quoted = message;
  $("quoting").hidden = message === null;
  $("quoting-text").textContent = message === null ? "" : summary(message);
  if (message !== null) $("text").focus();
}

function summary(message) {
  const kind = words.kinds[message.kind];
  return kind ? [kind, message.text || message.fileName].filter(Boolean).join(": ") : message.text;
}

function chatsOf(messages) {
  const chats = new Map();
  for (const message of messages) {
    const chat = chats.get(message.chat) ?? { chat: message.chat, unread: 0 };
    chat.last = summary(message);
    chat.timestamp = message.timestamp;
    chat.mine = message.fromMe;
    if (!message.fromMe && message.status === null) chat.unread += 1;
    chats.set(message.chat, chat);
  }
  return [...chats.values()].sort((a, b) => b.timestamp - a.timestamp).map((chat) => ({ ...chat, name: nameOf(chat.chat) }));
}

function chatRow(chat) {
  const badge = chat.unread ? element("span", { class: "badge", "aria-label": `${chat.unread} ${words.unread}` }, String(chat.unread)) : "";
  return element("li", {}, element("button", { class: "row", "data-key": chat.chat, onclick: () => openChat(chat.chat) },
    face(chat.name),
    element("span", {}, element("strong", {}, chat.name), element("span", { class: "last" }, `${chat.mine ? `${words.you}: ` : ""}${chat.last}`)),
    element("span", {}, element("small", {}, time.format(chat.timestamp)), " ", badge)));
}

function bubble(message, byId, group) {
  const quoted = message.kind !== "reaction" && message.quotedId ? byId.get(message.quotedId) : null;
  const reactions = [...byId.values()].filter((other) => other.kind === "reaction" && other.quotedId === message.id && other.text);
  const parts = [];
  if (group && !message.fromMe) parts.push(element("span", { class: "author" }, nameOf(message.from)));
  if (quoted) parts.push(element("span", { class: "quoted" }, summary(quoted)));
  const url = api.fileUrl(state.phone, message.id);
  if (message.kind === "image") parts.push(element("img", { src: url, alt: message.text || words.kinds.image, loading: "lazy" }));
  else if (["audio", "video"].includes(message.kind)) parts.push(element(message.kind, { src: url, controls: true, preload: "none" }));
  else if (message.kind === "document") parts.push(element("a", { href: url, download: message.fileName ?? words.file }, message.fileName ?? words.file));
  else if (words.kinds[message.kind]) parts.push(element("span", { class: "kind" }, words.kinds[message.kind], " "));
  if (message.text) parts.push(element("span", { class: "text" }, message.text));
  const ticks = message.fromMe && message.status ? element("span", { class: `ticks ${message.status}`, role: "img", "aria-label": words.ticks[message.status] ?? message.status },
    message.status === "sent" ? "✓" : "✓✓") : null;
  parts.push(element("span", { class: "meta" },
    reactions.length ? element("span", {}, reactions.map((reaction) => reaction.text).join("")) : null,
    element("button", { type: "button", "aria-label": words.reply, title: words.reply, onclick: () => quote(message) }, "↩"),
    element("button", { type: "button", "aria-label": words.react, title: words.react, onclick: (e) => during(e.currentTarget.parentElement, () => api.react(state.phone, message.id, "👍")) }, "☺"),
    element("time", { datetime: new Date(message.timestamp).toISOString() }, time.format(message.timestamp)), ticks));
  return element("div", { class: `bubble${message.fromMe ? " mine" : ""}`, "data-id": message.id }, ...parts);
}

function talkOf(messages) {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const built = [];
  let lastDay = "";
  for (const message of messages.filter((one) => one.kind !== "reaction")) {
    const thisDay = day.format(message.timestamp);
    if (thisDay !== lastDay) built.push(element("span", { class: "day" }, thisDay === day.format(Date.now()) ? words.today : thisDay));
    lastDay = thisDay;
    built.push(bubble(message, byId, state.chat.endsWith("@g.us")));
  }
  return built;
}

function deviceRow(device) {
  const own = state.phones.some((phone) => phone.jid === device.jid);
  return element("li", { class: "line" },
    element("span", { class: `dot ${device.connected ? "up" : "down"}`, "aria-hidden": "true" }),
    element("div", {}, element("strong", {}, device.jid), element("small", {}, [device.connected ? words.online : words.offline, device.platform, own ? words.simulatorsOwn : null].filter(Boolean).join(" · "))));
}

function waitingRow(pairing) {
  // The server knows the code's reference and not the secret in it, so a code shown elsewhere cannot be scanned from here.
  return element("li", { class: "line" }, element("div", {}, element("strong", {}, `${pairing.ref.slice(0, 18)}…`),
    element("small", {}, `${Math.round(pairing.secondsLeft)} ${words.secondsLeft}`)));
}

async function scan(qr) {
  await during($("scan"), async () => {
    await api.scan(qr, state.phone, state.name);
    $("qr").value = "";
    toast(words.linked);
    await refresh();
  });
}

function render() {
  renderIfChanged($("known"), state.phones.map(({ phone, name, online }) => ({ phone, name, online })), (phones) =>
    phones.length ? phones.map((one) => element("li", {}, element("button", { class: "row", "data-key": one.phone, onclick: () => during($("view-choose"), () => pickUp(one.phone)) },
      face(one.name ?? one.phone),
      element("span", {}, element("strong", {}, one.name ?? pretty(one.phone)), one.name ? element("span", { class: "last" }, pretty(one.phone)) : null),
      element("small", {}, one.online ? words.live : words.sleeping)))) : [element("li", { class: "empty" }, words.noPhones)]);
  if (state.phone === null) return;
  $("me-name").textContent = state.name ?? pretty(state.phone);
  $("me-number").textContent = state.name ? pretty(state.phone) : "";
  const chats = chatsOf(state.messages);
  renderIfChanged($("chats"), chats, (all) => all.map(chatRow));
  $("no-chats").hidden = chats.length > 0;
  const mine = state.devices.filter((device) => phoneOf(device.jid) === state.phone);
  renderIfChanged($("devices"), mine.map(({ jid, connected, platform }) => ({ jid, connected, platform, own: state.phones.some((p) => p.jid === jid) })), (all) => all.map(deviceRow));
  $("no-devices").hidden = mine.length > 0;
  $("unlink").disabled = mine.length === 0;
  renderIfChanged($("waiting"), state.pairings, (all) => all.map(waitingRow));
  $("waiting-box").hidden = state.pairings.length === 0;
  if (state.chat === null) return;
  $("chat-name").textContent = nameOf(state.chat);
  $("chat-note").textContent = nameOf(state.chat) === pretty(state.chat) ? "" : pretty(state.chat);
  const talk = $("talk");
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 60;
  const changed = renderIfChanged(talk, [state.chat, state.messages.filter((message) => message.chat === state.chat)], ([, messages]) => talkOf(messages));
  if (changed && atEnd) talk.scrollTop = talk.scrollHeight;
}

async function refresh() {
  const asked = state.phone;
  try {
    const [phones, devices, pairings, faults, stats, messages] = await Promise.all([
      api.phones(), api.devices(), api.pairings(), api.faults(), api.stats(), asked ? api.messages(asked) : []]);
    if (asked !== state.phone) return;
    const news = messages.length > state.messages.length;
    Object.assign(state, { phones, devices, pairings, messages });
    const self = phones.find((phone) => phone.phone === state.phone);
    if (self) state.name = self.name;
    $("server").className = "server up";
    $("server-text").textContent = words.serverUp;
    render();
    showWeather(devices, faults, stats);
    if (news) await markRead();
  } catch (error) {
    $("server").className = "server down";
    $("server-text").textContent = `${words.serverDown} (${error.message})`;
  }
}

function selectTab(name) {
  for (const tab of ["chats", "link"]) {
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    $(`panel-${tab}`).hidden = tab !== name;
  }
}

function startTabs() {
  for (const name of ["chats", "link"]) $(`tab-${name}`).addEventListener("click", () => selectTab(name));
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const name = $("tab-chats").tabIndex === 0 ? "link" : "chats";
    selectTab(name);
    $(`tab-${name}`).focus();
  });
}

async function readPicture(picture) {
  const found = await new BarcodeDetector({ formats: ["qr_code"] }).detect(await createImageBitmap(picture));
  if (found.length === 0) throw new Error(words.noQr);
  $("qr").value = found[0].rawValue;
}

function startPictures() {
  if (!("BarcodeDetector" in window)) return;
  $("picture-box").hidden = false;
  $("picture").addEventListener("change", () => during($("scan"), () => readPicture($("picture").files[0])));
  $("qr").addEventListener("paste", (event) => {
    const picture = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
    if (!picture) return;
    event.preventDefault();
    during($("scan"), () => readPicture(picture));
  });
}

const KINDS = ["image", "video", "audio"];

async function sendFile(file) {
  const kind = KINDS.find((one) => file.type.startsWith(`${one}/`)) ?? "document";
  const media = { to: state.chat, kind, data: await base64Of(file), mimeType: file.type || "application/octet-stream", fileName: file.name };
  if ($("text").value && kind !== "audio") media.caption = $("text").value;
  await api.sendMedia(state.phone, media);
  $("text").value = "";
  $("file").value = "";
}

let lastTyping = 0;

function startChat() {
  $("send").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("text").value;
    if (!text.trim()) return;
    const sent = await during($("send"), async () => {
      await api.send(state.phone, state.chat, text, state.quoted?.id);
      $("text").value = "";
      quote(null);
      await refresh();
      $("talk").scrollTop = $("talk").scrollHeight;
    });
    if (sent) $("text").focus();
  });
  $("file").addEventListener("change", () => $("file").files.length && during($("send"), async () => {
    await sendFile($("file").files[0]);
    await refresh();
  }));
  $("text").addEventListener("input", () => {
    if (Date.now() - lastTyping < 5000) return;
    lastTyping = Date.now();
    api.typing(state.phone, state.chat, "composing").catch((error) => toast(error.message));
  });
  $("quoting-off").addEventListener("click", () => quote(null));
  $("back").addEventListener("click", closeChat);
  $("view-chat").addEventListener("keydown", (event) => event.key === "Escape" && closeChat());
}

async function start() {
  translate(document);
  startTabs();
  startPictures();
  startChat();
  startWeather(refresh);
  $("choose").addEventListener("submit", (event) => {
    event.preventDefault();
    during($("choose"), () => pickUp(digits($("number").value), $("owner").value.trim()));
  });
  $("put-down").addEventListener("click", putDown);
  $("new-chat").addEventListener("submit", (event) => {
    event.preventDefault();
    const to = $("new-to").value.trim();
    $("new-to").value = "";
    openChat(to.endsWith("@g.us") ? to : digits(to));
  });
  $("scan").addEventListener("submit", (event) => {
    event.preventDefault();
    let payload;
    try {
      payload = payloadOf($("qr").value);
    } catch (error) {
      toast(error.message);
      return;
    }
    scan(payload);
  });
  $("unlink").addEventListener("click", () => during($("panel-link"), async () => {
    await api.unlink(state.phone);
    toast(words.unlinked);
    await refresh();
  }));
  await refresh();
  const remembered = localStorage.getItem("phone");
  if (remembered) await during($("choose"), () => pickUp(remembered));
  while (true) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    if (!document.hidden) await refresh();
  }
}

start();
