// An independent client, as its users write one: pairs, restarts when told to, logs in, sends and receives texts.
//
//   node client.mjs ws://127.0.0.1:<port>/ws/chat <noise root in hex> <folder for its keys>
//
// Says what happens as JSON lines on stdout: {"qr"}, {"paired"}, {"closed"}, {"open"}, {"message"}, {"sent"}, {"receipt"}, {"failed"}.
// Takes JSON lines on stdin: {"to", "text"}. The end of stdin ends it.
// What imports it finds beside the folder it is started in, so it is copied next to node_modules.

import { createInterface } from "node:readline";
import makeWASocket, { useMultiFileAuthState, WA_CERT_DETAILS } from "baileys";

const [url, root, folder] = process.argv.slice(2);
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(root, "hex"); // the one thing that is not an option: whose signature it trusts

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const silent = { level: "silent", child: () => silent, trace() {}, debug() {}, info() {} };
for (const level of ["warn", "error"]) silent[level] = (...details) => console.error(level, ...details);

const { state, saveCreds } = await useMultiFileAuthState(folder);
let socket;

function connect() {
  socket = makeWASocket({
    waWebSocketUrl: url,
    auth: state,
    logger: silent,
    syncFullHistory: false,
    shouldSyncHistoryMessage: () => false, // there is no phone that would send a history
  });
  socket.ev.on("creds.update", saveCreds);
  socket.ev.on("connection.update", ({ connection, qr, isNewLogin, lastDisconnect }) => {
    if (qr) say({ qr });
    if (isNewLogin) say({ paired: state.creds.me.id });
    if (connection === "open") say({ open: state.creds.me.id });
    if (connection === "close") {
      const code = lastDisconnect?.error?.output?.statusCode ?? 0;
      say({ closed: code });
      if (code === 515) connect(); // "restart required", which is how a pairing ends
    }
  });
  socket.ev.on("messages.upsert", ({ messages }) => {
    for (const { key, message, pushName } of messages) {
      const text = message?.conversation ?? message?.extendedTextMessage?.text;
      say({ message: { id: key.id, from: key.remoteJid, fromMe: key.fromMe, text, pushName } });
    }
  });
  socket.ev.on("messages.update", (updates) => {
    for (const { key, update } of updates) if (update.status) say({ receipt: { id: key.id, status: update.status } });
  });
}

connect();
const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { to, text } = JSON.parse(line);
  try {
    const sent = await socket.sendMessage(`${to}@s.whatsapp.net`, { text });
    say({ sent: sent.key.id });
  } catch (error) {
    say({ failed: String(error) });
  }
});
lines.on("close", () => process.exit(0));
