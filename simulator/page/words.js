// The page's words in Portuguese and English; the browser's language chooses.

const en = {
  title: "Simulated phone", phone: "Phone", whichPhone: "Which phone?", number: "Phone number",
  ownerName: "Owner's name (optional)", takePhone: "Pick this phone up", knownPhones: "Phones in use",
  noPhones: "None yet.", putDown: "Put this phone down", sections: "Sections", chats: "Chats",
  linkedDevices: "Linked devices", newChat: "New chat with (number)", open: "Open", noChats: "No chats yet.",
  linkDevice: "Link a device", waitingCodes: "QR codes that are shown somewhere right now:",
  qrPayload: "Content of the QR code", qrHint: "Paste the payload, or the whole answer of GET …/qr", scan: "Scan",
  fromPicture: "From a picture", noDevices: "No device is linked.", unlinkAll: "Unlink all devices",
  unlinked: "Unlinked.", linked: "Linked.", back: "Back to the chats", messages: "Messages", message: "Message",
  attach: "Attach a file", sendLabel: "Send", cancel: "Cancel", weather: "Weather: make things go wrong",
  faultKind: "What happens", faultTarget: "To whom", faultDelay: "Late by (seconds)", faultSeconds: "For seconds", faultCount: "How many times",
  optional: "optional", faultGo: "Let it happen", faultsClear: "Clear skies", faultsNow: "In force now",
  noFaults: "Nothing: clear skies.", allDevices: "All devices on this server", device: "Device", state: "State",
  connects: "Connects", sockets: "Sockets (most)", figures: "Figures", everyone: "everyone", online: "connected",
  offline: "not connected", serverUp: "server is up", serverDown: "server does not answer", you: "You",
  reply: "Reply", react: "React with 👍", today: "Today", noQr: "No QR code was found in the picture.",
  marked: "read", unread: "unread", group: "group", simulatorsOwn: "this page's own device", secondsLeft: "s left",
  live: "ready", sleeping: "asleep", connecting: "Picking the phone up…", file: "file",
  kinds: { image: "Picture", video: "Video", audio: "Audio", document: "Document", sticker: "Sticker", reaction: "Reaction",
    revoke: "Message deleted", edit: "Edited", location: "Location", contact: "Contact" },
  ticks: { sent: "sent", delivered: "delivered", read: "read", played: "played" },
  faults: {
    drop_socket: ["Socket cut", "Connections are cut off; clients come back by themselves."],
    refuse_connect: ["Connection refused", "New connections are refused."],
    refuse_login: ["Login refused", "Logins fail with a server error."],
    stream_replaced: ["Replaced", "Somebody else takes the connection over."],
    ban: ["Temporary ban", "The number is banned for a time."],
    client_outdated: ["Client outdated", "The server wants a newer client."],
    logged_out: ["Logged out", "The device is unlinked."],
    delay: ["Delay", "Everything arrives late, by so many seconds."],
    unavailable: ["Unavailable", "The service answers that it is unavailable."],
    duplicate: ["Duplicate", "Messages are delivered twice."],
    drop: ["Lost", "Messages are lost on the way."],
  },
};

const pt = {
  title: "Telefone simulado", phone: "Telefone", whichPhone: "Qual telefone?", number: "Número do telefone",
  ownerName: "Nome do dono (opcional)", takePhone: "Pegar este telefone", knownPhones: "Telefones em uso",
  noPhones: "Nenhum ainda.", putDown: "Largar este telefone", sections: "Seções", chats: "Conversas",
  linkedDevices: "Aparelhos conectados", newChat: "Nova conversa com (número)", open: "Abrir", noChats: "Nenhuma conversa ainda.",
  linkDevice: "Conectar um aparelho", waitingCodes: "QR codes exibidos em algum lugar agora:",
  qrPayload: "Conteúdo do QR code", qrHint: "Cole o conteúdo, ou a resposta inteira de GET …/qr", scan: "Escanear",
  fromPicture: "De uma imagem", noDevices: "Nenhum aparelho conectado.",
  unlinkAll: "Desconectar todos os aparelhos", unlinked: "Desconectado.", linked: "Conectado.", back: "Voltar às conversas",
  messages: "Mensagens", message: "Mensagem", attach: "Anexar um arquivo", sendLabel: "Enviar", cancel: "Cancelar",
  weather: "Tempo: faça as coisas darem errado", faultKind: "O que acontece", faultTarget: "Com quem",
  faultDelay: "Atraso (segundos)", faultSeconds: "Por quantos segundos", faultCount: "Quantas vezes", optional: "opcional", faultGo: "Deixar acontecer",
  faultsClear: "Céu limpo", faultsNow: "Em vigor agora", noFaults: "Nada: céu limpo.",
  allDevices: "Todos os aparelhos neste servidor", device: "Aparelho", state: "Estado", connects: "Conexões",
  sockets: "Sockets (máximo)", figures: "Números", everyone: "todos", online: "conectado", offline: "desconectado",
  serverUp: "servidor no ar", serverDown: "servidor não responde", you: "Você", reply: "Responder", react: "Reagir com 👍",
  today: "Hoje", noQr: "Nenhum QR code encontrado na imagem.", marked: "lida", unread: "não lidas", group: "grupo",
  simulatorsOwn: "aparelho desta página", secondsLeft: "s restantes", live: "pronto", sleeping: "dormindo",
  connecting: "Pegando o telefone…", file: "arquivo",
  kinds: { image: "Imagem", video: "Vídeo", audio: "Áudio", document: "Documento", sticker: "Figurinha", reaction: "Reação",
    revoke: "Mensagem apagada", edit: "Editada", location: "Localização", contact: "Contato" },
  ticks: { sent: "enviada", delivered: "entregue", read: "lida", played: "reproduzida" },
  faults: {
    drop_socket: ["Socket cortado", "As conexões são cortadas; os clientes voltam sozinhos."],
    refuse_connect: ["Conexão recusada", "Novas conexões são recusadas."],
    refuse_login: ["Login recusado", "Logins falham com um erro do servidor."],
    stream_replaced: ["Substituído", "Outro assume a conexão."],
    ban: ["Banimento temporário", "O número fica banido por um tempo."],
    client_outdated: ["Cliente desatualizado", "O servidor exige um cliente mais novo."],
    logged_out: ["Desconectado pelo telefone", "O aparelho é desvinculado."],
    delay: ["Atraso", "Tudo chega atrasado, em tantos segundos."],
    unavailable: ["Indisponível", "O serviço responde que está indisponível."],
    duplicate: ["Duplicado", "As mensagens são entregues duas vezes."],
    drop: ["Perdido", "As mensagens se perdem no caminho."],
  },
};

export const language = navigator.language.toLowerCase().startsWith("pt") ? "pt-BR" : "en";
export const words = language === "pt-BR" ? pt : en;

/** Put the words into every element that names one. */
export function translate(root) {
  document.documentElement.lang = language;
  document.title = words.title;
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = words[element.dataset.text];
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words[element.dataset.label]);
    element.title = words[element.dataset.label];
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = words[element.dataset.placeholder];
}
