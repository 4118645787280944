-- migrate:up

-- Not concurrently, which no transaction allows: writes wait while an index is made, and lock_timeout bounds the start.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX whatsapp_atendimentos_of_chat
    ON public.whatsapp_atendimentos (owner_id, connection_id, chat_id, created_at DESC, id DESC);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX contacts_newest ON public.contacts (owner_id, connection_id, created_at DESC, jid);

-- migrate:down

DROP INDEX public.contacts_newest;
DROP INDEX public.whatsapp_atendimentos_of_chat;
