-- migrate:up

-- The columns up to updated_at are the protected structure; see whatsapp_sessions.
CREATE TABLE IF NOT EXISTS public.whatsapp_atendimentos (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    chat_id VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'ATIVO',
    owner_id UUID NOT NULL,
    connection_id VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

ALTER TABLE public.whatsapp_atendimentos
    ADD COLUMN IF NOT EXISTS mode text,
    ADD COLUMN IF NOT EXISTS nome_cliente text,
    ADD COLUMN IF NOT EXISTS numero_cliente text,
    ADD COLUMN IF NOT EXISTS last_message_at timestamptz,
    ADD COLUMN IF NOT EXISTS finished_at timestamptz;

CREATE INDEX whatsapp_atendimentos_open ON public.whatsapp_atendimentos (owner_id, connection_id, chat_id)
    WHERE status <> 'FINALIZADO';
CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_atendimentos FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TABLE public.whatsapp_mensagens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    message_id text NOT NULL,
    atendimento_id uuid,
    direction text NOT NULL CHECK (direction IN ('in', 'out')),
    remetente text NOT NULL,
    participant text,
    phone text,
    wpp_name text,
    message_type text NOT NULL,
    conteudo text,
    quoted_id text,
    media_type text,
    media_url text,
    media_mime text,
    media jsonb,
    raw jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL,
    lida boolean NOT NULL DEFAULT false,
    "timestamp" timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- With the owner in it: a connection id that another owner used before says nothing here.
    UNIQUE (owner_id, connection_id, message_id)
);
CREATE INDEX whatsapp_mensagens_of_chat
    ON public.whatsapp_mensagens (owner_id, connection_id, chat_id, "timestamp" DESC, id DESC);
CREATE INDEX whatsapp_mensagens_unread ON public.whatsapp_mensagens (owner_id, connection_id, chat_id)
    WHERE direction = 'in' AND NOT lida;
CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_mensagens FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TABLE public.early_receipts (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    message_id text NOT NULL,
    status text NOT NULL,
    at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner_id, connection_id, message_id, status)
);
COMMENT ON TABLE public.early_receipts IS
    'Receipts that came before their message was written: applied as it is.';
CREATE INDEX early_receipts_age ON public.early_receipts (created_at);

CREATE TABLE public.chats (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    name text,
    phone text,
    atendimento_id uuid,
    unread_count integer NOT NULL DEFAULT 0,
    last_message text,
    last_message_type text,
    last_message_from text,
    last_message_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner_id, connection_id, chat_id)
);
CREATE INDEX chats_newest ON public.chats (owner_id, connection_id, last_message_at DESC, chat_id);
CREATE TRIGGER touch BEFORE UPDATE ON public.chats FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TABLE public.contacts (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    jid text NOT NULL,
    phone text,
    push_name text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner_id, connection_id, jid)
);
CREATE TRIGGER touch BEFORE UPDATE ON public.contacts FOR EACH ROW EXECUTE FUNCTION perene.touch();

ALTER TABLE public.whatsapp_atendimentos ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.whatsapp_atendimentos FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.whatsapp_atendimentos
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.whatsapp_atendimentos FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.whatsapp_atendimentos FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.whatsapp_mensagens ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.whatsapp_mensagens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.whatsapp_mensagens
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.whatsapp_mensagens FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.whatsapp_mensagens FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.early_receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.early_receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.early_receipts
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY backup_reads ON public.early_receipts FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.chats FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.chats
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.chats FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.chats FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contacts
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.contacts FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.contacts FOR SELECT TO perene_backup USING (true);

GRANT SELECT, INSERT ON public.whatsapp_atendimentos TO perene_api, perene_worker;
GRANT UPDATE (status, mode, nome_cliente, numero_cliente, last_message_at, finished_at)
    ON public.whatsapp_atendimentos TO perene_api, perene_worker;
GRANT SELECT ON public.whatsapp_atendimentos TO perene_ops, perene_backup;

GRANT SELECT ON public.whatsapp_mensagens TO perene_api;
GRANT UPDATE (lida, media_url) ON public.whatsapp_mensagens TO perene_api;
GRANT SELECT, INSERT ON public.whatsapp_mensagens TO perene_worker;
GRANT UPDATE (status, lida, media_url, atendimento_id) ON public.whatsapp_mensagens TO perene_worker;
-- Neither what people wrote nor the keys of their attachments.
GRANT SELECT (
    id, owner_id, connection_id, chat_id, message_id, atendimento_id, direction, remetente, message_type, media_type,
    media_mime, status, lida, "timestamp", created_at, updated_at
) ON public.whatsapp_mensagens TO perene_ops;

GRANT SELECT, INSERT, UPDATE (status, at), DELETE ON public.early_receipts TO perene_worker;

GRANT SELECT ON public.chats TO perene_api;
GRANT UPDATE (unread_count, atendimento_id, name) ON public.chats TO perene_api;
GRANT SELECT, INSERT ON public.chats TO perene_worker;
GRANT UPDATE (
    name, phone, atendimento_id, unread_count, last_message, last_message_type, last_message_from, last_message_at
) ON public.chats TO perene_worker;
GRANT SELECT (owner_id, connection_id, chat_id, atendimento_id, unread_count, last_message_at, created_at, updated_at)
    ON public.chats TO perene_ops;

GRANT SELECT ON public.contacts TO perene_api;
GRANT SELECT, INSERT ON public.contacts TO perene_worker;
GRANT UPDATE (phone, push_name) ON public.contacts TO perene_worker;
GRANT SELECT (owner_id, connection_id, jid, created_at, updated_at) ON public.contacts TO perene_ops;

-- migrate:down

-- (Its owner is bound by its policies too, and would find it empty.)
ALTER TABLE public.whatsapp_atendimentos NO FORCE ROW LEVEL SECURITY;
DO $$
BEGIN
    IF EXISTS (SELECT FROM public.whatsapp_atendimentos) THEN
        RAISE EXCEPTION 'whatsapp_atendimentos holds rows: it is protected and is not dropped';
    END IF;
END
$$;
DROP TABLE public.contacts;
DROP TABLE public.chats;
DROP TABLE public.early_receipts;
DROP TABLE public.whatsapp_mensagens;
DROP TABLE public.whatsapp_atendimentos;
