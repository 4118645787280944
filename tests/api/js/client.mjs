// Says on standard output, one JSON a line, what the browser's client library hears.
import { io } from "socket.io-client";

const [url, transport] = process.argv.slice(2);
const say = (what, fields = {}) => process.stdout.write(JSON.stringify({ what, ...fields }) + "\n");
const socket = io(url, { transports: [transport], auth: {}, reconnection: false });

socket.onAny((event, payload) => say("event", { event, payload }));
socket.on("connect_error", (error) => say("refused", { message: error.message }));
socket.on("disconnect", (reason) => {
  say("disconnected", { reason });
  process.exit(0);
});
socket.on("connect", async () => {
  const joined = await socket.emitWithAck("join", { connectionId: "c-1", conversationId: "5511@s.whatsapp.net" });
  const foreign = await socket.emitWithAck("joinConnection", { connectionId: "another" });
  const resumed = await socket.emitWithAck("resume", { after: 0 });
  say("ready", { joined, foreign, resumed });
});
process.stdin.on("end", () => socket.disconnect());
process.stdin.resume();
