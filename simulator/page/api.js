// The simulator's control API, as the page uses it.

export class ApiError extends Error {}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const text = await response.text();
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch (error) {
    if (response.ok) throw new ApiError(`${path}: ${error.message}`);
  }
  if (!response.ok) {
    throw new ApiError(answer.error ?? text);
  }
  return answer;
}

const phonePath = (phone, rest) => `phone/${encodeURIComponent(phone)}/${rest}`;

export const api = {
  phones: async () => (await call("GET", "phones")).phones,
  devices: async () => (await call("GET", "devices")).devices,
  pairings: async () => (await call("GET", "pairings")).pairings,
  faults: async () => (await call("GET", "faults")).faults,
  stats: () => call("GET", "stats"),
  ensure: (phone, name) => call("POST", phonePath(phone, "ensure"), { name: name || undefined }),
  messages: async (phone) => (await call("GET", phonePath(phone, "messages?live=0"))).messages,
  send: (phone, to, text, quotedId) => call("POST", phonePath(phone, "send"), { to, text, quotedId }),
  sendMedia: (phone, media) => call("POST", phonePath(phone, "send-media"), media),
  react: (phone, messageId, emoji) => call("POST", phonePath(phone, "react"), { messageId, emoji }),
  read: (phone, chat) => call("POST", phonePath(phone, "read"), { chat }),
  typing: (phone, to, state) => call("POST", phonePath(phone, "typing"), { to, state }),
  unlink: (phone, jid) => call("POST", phonePath(phone, "unlink"), jid ? { jid } : {}),
  scan: (qr, phone, name) => call("POST", "phone/scan", { qr, phone, name: name || undefined }),
  fault: (fault) => call("POST", "faults", fault),
  clearFaults: () => call("DELETE", "faults"),
  fileUrl: (phone, id) => phonePath(phone, `messages/${encodeURIComponent(id)}/file`),
};

/** The QR payload in what a person pasted: the payload itself, or JSON around it (the answer of `GET …/qr`). */
export function payloadOf(pasted) {
  const text = pasted.trim();
  if (!text.startsWith("{")) return text;
  const answer = JSON.parse(text);
  return answer.qrCode ?? answer.qr ?? answer.payload ?? text;
}

/** The base64 of a file's bytes. */
export async function base64Of(file) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}
