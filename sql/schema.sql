-- Written by `python -m store.migrate --dump-schema`; do not edit. The schema after
--     0001_pre_tenancy.sql
--     0002_pre_sessions.sql
--     0003_pre_outbox.sql
--     0004_pre_conversations.sql
--     0005_pre_send_queue.sql
--     0006_pre_conversation_listings.sql

CREATE SCHEMA perene;

CREATE FUNCTION perene.outbox_sequence() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
    last bigint;
    numbered bigint;
BEGIN
    -- Held to the end of the transaction: numbers become visible in their order. The statement below is a new one, so
    -- (under READ COMMITTED) it sees everything that was committed while we waited here.
    SELECT last_event_id INTO STRICT last FROM public.outbox_position FOR UPDATE;
    WITH pending AS (
        SELECT id, row_number() OVER (ORDER BY id) AS place
        FROM public.outbox WHERE event_id IS NULL ORDER BY id LIMIT 10000
    )
    UPDATE public.outbox SET event_id = last + pending.place FROM pending WHERE outbox.id = pending.id;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    IF numbered > 0 THEN
        last := last + numbered;
        UPDATE public.outbox_position SET last_event_id = last;
    END IF;
    RETURN last;
END
$$;

COMMENT ON FUNCTION perene.outbox_sequence() IS 'Numbers what was committed since (at most 10000 rows a call); the newest number given. A transaction that commits late gets its numbers late, so a reader who has seen event n will never miss one that is at most n.';

CREATE FUNCTION perene.owner_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
    SELECT coalesce(
        nullif(current_setting('perene.owner_id', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;

COMMENT ON FUNCTION perene.owner_id() IS 'Whose rows this transaction may touch: its own setting, else the subject of PostgREST''s token. NULL (nobody''s) where neither is set; an error where it is no UUID.';

CREATE FUNCTION perene.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

COMMENT ON FUNCTION perene.refuse_change() IS 'Makes a table append-only, for its owner too.';

CREATE FUNCTION perene.retire_host(retiring text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
    released integer;
BEGIN
    UPDATE public.session_hosts SET expires_at = least(expires_at, clock_timestamp()),
        retired_at = coalesce(retired_at, clock_timestamp()), held = 0
        WHERE host_id = retiring;
    PERFORM set_config('perene.retiring_host', retiring, true);
    UPDATE public.whatsapp_sessions SET host_id = NULL WHERE host_id = retiring;
    GET DIAGNOSTICS released = ROW_COUNT;
    PERFORM set_config('perene.retiring_host', '', true);
    RETURN released;
END
$$;

COMMENT ON FUNCTION perene.retire_host(retiring text) IS 'Ends a host''s lease and gives up every session it holds, of every owner; how many.';

CREATE FUNCTION perene.tell_outbox() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    -- The server sends equal notifications of one transaction once.
    PERFORM pg_notify('perene_outbox', '');
    RETURN NULL;
END
$$;

CREATE FUNCTION perene.tell_sends() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_notify('perene_sends', NEW.connection_id);
    ELSIF NEW.state IS DISTINCT FROM OLD.state AND NEW.state IN ('sent', 'failed', 'unknown') THEN
        PERFORM pg_notify('perene_settled', NEW.id::text);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION perene.touch() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION perene.touch() IS 'Keeps updated_at.';

CREATE TABLE public.chats (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    name text,
    phone text,
    atendimento_id uuid,
    unread_count integer DEFAULT 0 NOT NULL,
    last_message text,
    last_message_type text,
    last_message_from text,
    last_message_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.chats FORCE ROW LEVEL SECURITY;

CREATE TABLE public.contacts (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    jid text NOT NULL,
    phone text,
    push_name text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.contacts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.early_receipts (
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    message_id text NOT NULL,
    status text NOT NULL,
    at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.early_receipts FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.early_receipts IS 'Receipts that came before their message was written: applied as it is.';

CREATE SEQUENCE public.lease_epochs
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text,
    event text NOT NULL,
    payload jsonb NOT NULL,
    event_id bigint,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.outbox FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.outbox IS 'Client events, written in the transaction that makes them true. event_id is given after the commit.';

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox_position (
    only_row boolean DEFAULT true NOT NULL,
    last_event_id bigint DEFAULT 0 NOT NULL,
    pruned_through bigint DEFAULT 0 NOT NULL,
    CONSTRAINT outbox_position_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.outbox_position IS 'last_event_id: the newest number given. pruned_through: events up to this one may be gone.';

CREATE TABLE public.perene_migrations (
    version character varying NOT NULL
);

CREATE TABLE public.send_queue (
    id bigint NOT NULL,
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    client_message_id text,
    state text DEFAULT 'accepted'::text NOT NULL,
    epoch bigint,
    message_id text,
    error_code text,
    error_detail text,
    accepted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    dispatched_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT send_queue_state_check CHECK ((state = ANY (ARRAY['accepted'::text, 'dispatched'::text, 'sent'::text, 'failed'::text, 'unknown'::text])))
);

ALTER TABLE ONLY public.send_queue FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.send_queue IS 'Sends that were accepted. `dispatched` is committed before the library is called, so no send is tried twice.';

ALTER TABLE public.send_queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.send_queue_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.session_events (
    id bigint NOT NULL,
    connection_id text NOT NULL,
    owner_id uuid NOT NULL,
    sequence bigint NOT NULL,
    event text NOT NULL,
    from_state text,
    to_state text,
    reason text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.session_events FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.session_events IS 'What happened to each connection. Append-only; outlives the connection.';

ALTER TABLE public.session_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.session_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.session_hosts (
    host_id text NOT NULL,
    process_name text NOT NULL,
    capacity integer NOT NULL,
    build text NOT NULL,
    held integer DEFAULT 0 NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    renewed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone
);

COMMENT ON TABLE public.session_hosts IS 'Worker processes that may hold sockets, each with the lease it renews.';

CREATE TABLE public.session_pairings (
    connection_id text NOT NULL,
    owner_id uuid NOT NULL,
    epoch bigint NOT NULL,
    adv_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.session_pairings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.session_pairings IS 'The secrets of the codes that were shown and not yet used: the device that was paired with one has the same adv_key in whatsmeow_device.';

CREATE TABLE public.whatsapp_atendimentos (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    chat_id character varying(255) NOT NULL,
    status character varying(50) DEFAULT 'ATIVO'::character varying NOT NULL,
    owner_id uuid NOT NULL,
    connection_id character varying(255) NOT NULL,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    mode text,
    nome_cliente text,
    numero_cliente text,
    last_message_at timestamp with time zone,
    finished_at timestamp with time zone
);

ALTER TABLE ONLY public.whatsapp_atendimentos FORCE ROW LEVEL SECURITY;

CREATE TABLE public.whatsapp_mensagens (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    message_id text NOT NULL,
    atendimento_id uuid,
    direction text NOT NULL,
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
    raw jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text NOT NULL,
    lida boolean DEFAULT false NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT whatsapp_mensagens_direction_check CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text])))
);

ALTER TABLE ONLY public.whatsapp_mensagens FORCE ROW LEVEL SECURITY;

CREATE TABLE public.whatsapp_sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    owner_id uuid NOT NULL,
    session_name character varying(255) NOT NULL,
    status character varying(50) DEFAULT 'disconnected'::character varying NOT NULL,
    connection_id character varying(255) NOT NULL,
    qr_code text,
    phone_number character varying(20),
    whatsapp_id character varying(255),
    whatsapp_info jsonb,
    connected_at timestamp with time zone,
    disconnected_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    duplicate_reason character varying(100),
    state text DEFAULT 'stopped'::text NOT NULL,
    state_reason text,
    state_detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    state_changed_at timestamp with time zone,
    sequence bigint DEFAULT 0 NOT NULL,
    jid text,
    lid text,
    push_name text,
    platform text,
    has_connected boolean DEFAULT false NOT NULL,
    superseded_by text,
    host_id text,
    lease_epoch bigint DEFAULT 0 NOT NULL,
    claimed_at timestamp with time zone,
    last_seen_at timestamp with time zone,
    qr_expires_at timestamp with time zone,
    proxy text,
    window_seconds double precision DEFAULT 600 NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT whatsapp_sessions_state_known CHECK ((state = ANY (ARRAY['starting'::text, 'awaiting_scan'::text, 'pairing'::text, 'connected'::text, 'reconnecting'::text, 'qr_expired'::text, 'logged_out'::text, 'banned'::text, 'client_outdated'::text, 'duplicate'::text, 'stopped'::text, 'deleted'::text])))
);

ALTER TABLE ONLY public.whatsapp_sessions FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY public.chats
    ADD CONSTRAINT chats_pkey PRIMARY KEY (owner_id, connection_id, chat_id);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (owner_id, connection_id, jid);

ALTER TABLE ONLY public.early_receipts
    ADD CONSTRAINT early_receipts_pkey PRIMARY KEY (owner_id, connection_id, message_id, status);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox_position
    ADD CONSTRAINT outbox_position_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.perene_migrations
    ADD CONSTRAINT perene_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.send_queue
    ADD CONSTRAINT send_queue_owner_id_connection_id_client_message_id_key UNIQUE (owner_id, connection_id, client_message_id);

ALTER TABLE ONLY public.send_queue
    ADD CONSTRAINT send_queue_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.session_events
    ADD CONSTRAINT session_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.session_hosts
    ADD CONSTRAINT session_hosts_pkey PRIMARY KEY (host_id);

ALTER TABLE ONLY public.session_pairings
    ADD CONSTRAINT session_pairings_pkey PRIMARY KEY (connection_id, adv_key);

ALTER TABLE ONLY public.whatsapp_atendimentos
    ADD CONSTRAINT whatsapp_atendimentos_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.whatsapp_mensagens
    ADD CONSTRAINT whatsapp_mensagens_owner_id_connection_id_message_id_key UNIQUE (owner_id, connection_id, message_id);

ALTER TABLE ONLY public.whatsapp_mensagens
    ADD CONSTRAINT whatsapp_mensagens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.whatsapp_sessions
    ADD CONSTRAINT whatsapp_sessions_connection_id_key UNIQUE (connection_id);

ALTER TABLE ONLY public.whatsapp_sessions
    ADD CONSTRAINT whatsapp_sessions_pkey PRIMARY KEY (id);

CREATE INDEX chats_newest ON public.chats USING btree (owner_id, connection_id, last_message_at DESC, chat_id);

CREATE INDEX contacts_newest ON public.contacts USING btree (owner_id, connection_id, created_at DESC, jid);

CREATE INDEX early_receipts_age ON public.early_receipts USING btree (created_at);

CREATE INDEX outbox_age ON public.outbox USING btree (created_at);

CREATE INDEX outbox_codes ON public.outbox USING btree (connection_id) WHERE (event = 'qrCode'::text);

CREATE UNIQUE INDEX outbox_event_id ON public.outbox USING btree (event_id);

CREATE INDEX outbox_of_owner ON public.outbox USING btree (owner_id, event_id);

CREATE INDEX outbox_pending ON public.outbox USING btree (id) WHERE (event_id IS NULL);

CREATE INDEX send_queue_dispatched ON public.send_queue USING btree (owner_id, connection_id, id) WHERE (state = 'dispatched'::text);

CREATE INDEX send_queue_waiting ON public.send_queue USING btree (owner_id, connection_id, id) WHERE (state = 'accepted'::text);

CREATE INDEX session_events_of_connection ON public.session_events USING btree (owner_id, connection_id, id DESC);

CREATE INDEX whatsapp_atendimentos_of_chat ON public.whatsapp_atendimentos USING btree (owner_id, connection_id, chat_id, created_at DESC, id DESC);

CREATE INDEX whatsapp_atendimentos_open ON public.whatsapp_atendimentos USING btree (owner_id, connection_id, chat_id) WHERE ((status)::text <> 'FINALIZADO'::text);

CREATE INDEX whatsapp_mensagens_of_chat ON public.whatsapp_mensagens USING btree (owner_id, connection_id, chat_id, "timestamp" DESC, id DESC);

CREATE INDEX whatsapp_mensagens_unread ON public.whatsapp_mensagens USING btree (owner_id, connection_id, chat_id) WHERE ((direction = 'in'::text) AND (NOT lida));

CREATE INDEX whatsapp_sessions_host ON public.whatsapp_sessions USING btree (host_id) WHERE (host_id IS NOT NULL);

CREATE UNIQUE INDEX whatsapp_sessions_one_live_per_phone ON public.whatsapp_sessions USING btree (owner_id, phone_number) WHERE (state = ANY (ARRAY['pairing'::text, 'connected'::text, 'reconnecting'::text]));

CREATE INDEX whatsapp_sessions_owner_newest ON public.whatsapp_sessions USING btree (owner_id, created_at DESC, id DESC);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.session_events FOR EACH ROW EXECUTE FUNCTION perene.refuse_change();

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.session_events FOR EACH STATEMENT EXECUTE FUNCTION perene.refuse_change();

CREATE TRIGGER tell AFTER INSERT ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION perene.tell_outbox();

CREATE TRIGGER tell AFTER INSERT OR UPDATE ON public.send_queue FOR EACH ROW EXECUTE FUNCTION perene.tell_sends();

CREATE TRIGGER touch BEFORE UPDATE ON public.chats FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TRIGGER touch BEFORE UPDATE ON public.contacts FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_atendimentos FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_mensagens FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_sessions FOR EACH ROW EXECUTE FUNCTION perene.touch();

CREATE POLICY backup_reads ON public.chats FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.contacts FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.early_receipts FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.outbox FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.send_queue FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.session_events FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.session_pairings FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.whatsapp_atendimentos FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.whatsapp_mensagens FOR SELECT TO perene_backup USING (true);

CREATE POLICY backup_reads ON public.whatsapp_sessions FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.chats ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.early_receipts ENABLE ROW LEVEL SECURITY;

CREATE POLICY ops_reads ON public.chats FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.contacts FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.outbox FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.send_queue FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.session_events FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.session_pairings FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.whatsapp_atendimentos FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.whatsapp_mensagens FOR SELECT TO perene_ops USING (true);

CREATE POLICY ops_reads ON public.whatsapp_sessions FOR SELECT TO perene_ops USING (true);

ALTER TABLE public.outbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY relay_numbers ON public.outbox FOR UPDATE TO perene_relay USING ((event_id IS NULL)) WITH CHECK ((event_id IS NOT NULL));

CREATE POLICY relay_prunes ON public.outbox FOR DELETE TO perene_relay USING ((event_id IS NOT NULL));

CREATE POLICY relay_reads ON public.outbox FOR SELECT TO perene_relay USING (true);

CREATE POLICY retire_reads ON public.whatsapp_sessions FOR SELECT TO perene_owner USING ((NULLIF(current_setting('perene.retiring_host'::text, true), ''::text) IS NOT NULL));

CREATE POLICY retire_releases ON public.whatsapp_sessions FOR UPDATE TO perene_owner USING ((host_id = NULLIF(current_setting('perene.retiring_host'::text, true), ''::text))) WITH CHECK ((host_id IS NULL));

ALTER TABLE public.send_queue ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_pairings ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON public.chats USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.contacts USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.early_receipts USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.outbox USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.send_queue USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.session_events USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.session_pairings USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.whatsapp_atendimentos USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.whatsapp_mensagens USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

CREATE POLICY tenant ON public.whatsapp_sessions USING ((owner_id = ( SELECT perene.owner_id() AS owner_id))) WITH CHECK ((owner_id = ( SELECT perene.owner_id() AS owner_id)));

ALTER TABLE public.whatsapp_atendimentos ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.whatsapp_mensagens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.whatsapp_sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY worker_reconciles ON public.whatsapp_sessions FOR SELECT TO perene_worker USING ((current_setting('perene.scope'::text, true) = 'reconcile'::text));

GRANT USAGE ON SCHEMA perene TO PUBLIC;

REVOKE ALL ON FUNCTION perene.outbox_sequence() FROM PUBLIC;
GRANT ALL ON FUNCTION perene.outbox_sequence() TO perene_relay;

REVOKE ALL ON FUNCTION perene.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION perene.retire_host(retiring text) FROM PUBLIC;
GRANT ALL ON FUNCTION perene.retire_host(retiring text) TO perene_worker;

REVOKE ALL ON FUNCTION perene.tell_outbox() FROM PUBLIC;

REVOKE ALL ON FUNCTION perene.tell_sends() FROM PUBLIC;

REVOKE ALL ON FUNCTION perene.touch() FROM PUBLIC;

GRANT SELECT ON TABLE public.chats TO perene_api;
GRANT SELECT ON TABLE public.chats TO perene_backup;
GRANT SELECT,INSERT ON TABLE public.chats TO perene_worker;

GRANT SELECT(owner_id) ON TABLE public.chats TO perene_ops;

GRANT SELECT(connection_id) ON TABLE public.chats TO perene_ops;

GRANT SELECT(chat_id) ON TABLE public.chats TO perene_ops;

GRANT UPDATE(name) ON TABLE public.chats TO perene_api;
GRANT UPDATE(name) ON TABLE public.chats TO perene_worker;

GRANT UPDATE(phone) ON TABLE public.chats TO perene_worker;

GRANT SELECT(atendimento_id) ON TABLE public.chats TO perene_ops;
GRANT UPDATE(atendimento_id) ON TABLE public.chats TO perene_api;
GRANT UPDATE(atendimento_id) ON TABLE public.chats TO perene_worker;

GRANT SELECT(unread_count) ON TABLE public.chats TO perene_ops;
GRANT UPDATE(unread_count) ON TABLE public.chats TO perene_api;
GRANT UPDATE(unread_count) ON TABLE public.chats TO perene_worker;

GRANT UPDATE(last_message) ON TABLE public.chats TO perene_worker;

GRANT UPDATE(last_message_type) ON TABLE public.chats TO perene_worker;

GRANT UPDATE(last_message_from) ON TABLE public.chats TO perene_worker;

GRANT SELECT(last_message_at) ON TABLE public.chats TO perene_ops;
GRANT UPDATE(last_message_at) ON TABLE public.chats TO perene_worker;

GRANT SELECT(created_at) ON TABLE public.chats TO perene_ops;

GRANT SELECT(updated_at) ON TABLE public.chats TO perene_ops;

GRANT SELECT ON TABLE public.contacts TO perene_api;
GRANT SELECT ON TABLE public.contacts TO perene_backup;
GRANT SELECT,INSERT ON TABLE public.contacts TO perene_worker;

GRANT SELECT(owner_id) ON TABLE public.contacts TO perene_ops;

GRANT SELECT(connection_id) ON TABLE public.contacts TO perene_ops;

GRANT SELECT(jid) ON TABLE public.contacts TO perene_ops;

GRANT UPDATE(phone) ON TABLE public.contacts TO perene_worker;

GRANT UPDATE(push_name) ON TABLE public.contacts TO perene_worker;

GRANT SELECT(created_at) ON TABLE public.contacts TO perene_ops;

GRANT SELECT(updated_at) ON TABLE public.contacts TO perene_ops;

GRANT SELECT ON TABLE public.early_receipts TO perene_backup;
GRANT SELECT,INSERT,DELETE ON TABLE public.early_receipts TO perene_worker;

GRANT UPDATE(status) ON TABLE public.early_receipts TO perene_worker;

GRANT UPDATE(at) ON TABLE public.early_receipts TO perene_worker;

GRANT SELECT ON SEQUENCE public.lease_epochs TO perene_backup;
GRANT USAGE ON SEQUENCE public.lease_epochs TO perene_worker;

GRANT SELECT ON TABLE public.outbox TO perene_backup;
GRANT SELECT,DELETE ON TABLE public.outbox TO perene_relay;
GRANT SELECT,INSERT ON TABLE public.outbox TO perene_api;
GRANT SELECT,INSERT,DELETE ON TABLE public.outbox TO perene_worker;

GRANT SELECT(id) ON TABLE public.outbox TO perene_ops;

GRANT SELECT(owner_id) ON TABLE public.outbox TO perene_ops;

GRANT SELECT(connection_id) ON TABLE public.outbox TO perene_ops;

GRANT SELECT(chat_id) ON TABLE public.outbox TO perene_ops;

GRANT SELECT(event) ON TABLE public.outbox TO perene_ops;

GRANT SELECT(event_id) ON TABLE public.outbox TO perene_ops;
GRANT UPDATE(event_id) ON TABLE public.outbox TO perene_relay;

GRANT SELECT(created_at) ON TABLE public.outbox TO perene_ops;

GRANT SELECT ON SEQUENCE public.outbox_id_seq TO perene_backup;

GRANT SELECT ON TABLE public.outbox_position TO perene_api;
GRANT SELECT ON TABLE public.outbox_position TO perene_backup;
GRANT SELECT ON TABLE public.outbox_position TO perene_ops;
GRANT SELECT ON TABLE public.outbox_position TO perene_relay;

GRANT UPDATE(last_event_id) ON TABLE public.outbox_position TO perene_relay;

GRANT UPDATE(pruned_through) ON TABLE public.outbox_position TO perene_relay;

GRANT SELECT ON TABLE public.perene_migrations TO perene_backup;
GRANT SELECT ON TABLE public.perene_migrations TO perene_ops;

GRANT SELECT ON TABLE public.send_queue TO perene_backup;
GRANT SELECT ON TABLE public.send_queue TO perene_worker;
GRANT SELECT,INSERT ON TABLE public.send_queue TO perene_api;

GRANT SELECT(id) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(owner_id) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(connection_id) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(chat_id) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(type) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(client_message_id) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(state) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(state) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT(epoch) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(epoch) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT(message_id) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(message_id) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT(error_code) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(error_code) ON TABLE public.send_queue TO perene_worker;

GRANT UPDATE(error_detail) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT(accepted_at) ON TABLE public.send_queue TO perene_ops;

GRANT SELECT(dispatched_at) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(dispatched_at) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT(settled_at) ON TABLE public.send_queue TO perene_ops;
GRANT UPDATE(settled_at) ON TABLE public.send_queue TO perene_worker;

GRANT SELECT ON SEQUENCE public.send_queue_id_seq TO perene_backup;

GRANT SELECT ON TABLE public.session_events TO perene_backup;
GRANT SELECT ON TABLE public.session_events TO perene_ops;
GRANT SELECT,INSERT ON TABLE public.session_events TO perene_api;
GRANT SELECT,INSERT ON TABLE public.session_events TO perene_worker;

GRANT SELECT ON SEQUENCE public.session_events_id_seq TO perene_backup;

GRANT SELECT ON TABLE public.session_hosts TO perene_api;
GRANT SELECT ON TABLE public.session_hosts TO perene_backup;
GRANT SELECT ON TABLE public.session_hosts TO perene_ops;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.session_hosts TO perene_worker;

GRANT SELECT ON TABLE public.session_pairings TO perene_backup;
GRANT SELECT,INSERT,DELETE ON TABLE public.session_pairings TO perene_worker;

GRANT SELECT(connection_id) ON TABLE public.session_pairings TO perene_ops;

GRANT SELECT(owner_id) ON TABLE public.session_pairings TO perene_ops;

GRANT SELECT(epoch) ON TABLE public.session_pairings TO perene_ops;

GRANT SELECT(created_at) ON TABLE public.session_pairings TO perene_ops;

GRANT SELECT ON TABLE public.whatsapp_atendimentos TO perene_backup;
GRANT SELECT ON TABLE public.whatsapp_atendimentos TO perene_ops;
GRANT SELECT,INSERT ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT SELECT,INSERT ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(status) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(status) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(mode) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(mode) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(nome_cliente) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(nome_cliente) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(numero_cliente) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(numero_cliente) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(last_message_at) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(last_message_at) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT UPDATE(finished_at) ON TABLE public.whatsapp_atendimentos TO perene_api;
GRANT UPDATE(finished_at) ON TABLE public.whatsapp_atendimentos TO perene_worker;

GRANT SELECT ON TABLE public.whatsapp_mensagens TO perene_api;
GRANT SELECT ON TABLE public.whatsapp_mensagens TO perene_backup;
GRANT SELECT,INSERT ON TABLE public.whatsapp_mensagens TO perene_worker;

GRANT SELECT(id) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(owner_id) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(connection_id) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(chat_id) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(message_id) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(atendimento_id) ON TABLE public.whatsapp_mensagens TO perene_ops;
GRANT UPDATE(atendimento_id) ON TABLE public.whatsapp_mensagens TO perene_worker;

GRANT SELECT(direction) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(remetente) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(message_type) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(media_type) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT UPDATE(media_url) ON TABLE public.whatsapp_mensagens TO perene_api;
GRANT UPDATE(media_url) ON TABLE public.whatsapp_mensagens TO perene_worker;

GRANT SELECT(media_mime) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(status) ON TABLE public.whatsapp_mensagens TO perene_ops;
GRANT UPDATE(status) ON TABLE public.whatsapp_mensagens TO perene_worker;

GRANT SELECT(lida) ON TABLE public.whatsapp_mensagens TO perene_ops;
GRANT UPDATE(lida) ON TABLE public.whatsapp_mensagens TO perene_api;
GRANT UPDATE(lida) ON TABLE public.whatsapp_mensagens TO perene_worker;

GRANT SELECT("timestamp") ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(created_at) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT(updated_at) ON TABLE public.whatsapp_mensagens TO perene_ops;

GRANT SELECT ON TABLE public.whatsapp_sessions TO perene_backup;
GRANT SELECT,DELETE ON TABLE public.whatsapp_sessions TO perene_worker;
GRANT SELECT,INSERT,DELETE ON TABLE public.whatsapp_sessions TO perene_api;

GRANT SELECT(id) ON TABLE public.whatsapp_sessions TO perene_ops;

GRANT SELECT(owner_id) ON TABLE public.whatsapp_sessions TO perene_ops;

GRANT SELECT(session_name) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(session_name) ON TABLE public.whatsapp_sessions TO perene_api;

GRANT SELECT(status) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(status) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(connection_id) ON TABLE public.whatsapp_sessions TO perene_ops;

GRANT UPDATE(qr_code) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(phone_number) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(phone_number) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(whatsapp_id) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(whatsapp_id) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(whatsapp_info) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(whatsapp_info) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(connected_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(connected_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(disconnected_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(disconnected_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(created_at) ON TABLE public.whatsapp_sessions TO perene_ops;

GRANT SELECT(updated_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(updated_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(duplicate_reason) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(duplicate_reason) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(state) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(state) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(state_reason) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(state_reason) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(state_detail) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(state_detail) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(state_changed_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(state_changed_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(sequence) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(sequence) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(jid) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(jid) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(lid) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(lid) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(push_name) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(push_name) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(platform) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(platform) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(has_connected) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(has_connected) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(superseded_by) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(superseded_by) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(host_id) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(host_id) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(lease_epoch) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(lease_epoch) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(claimed_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(claimed_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(last_seen_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(last_seen_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT SELECT(qr_expires_at) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(qr_expires_at) ON TABLE public.whatsapp_sessions TO perene_worker;

GRANT UPDATE(proxy) ON TABLE public.whatsapp_sessions TO perene_api;

GRANT SELECT(window_seconds) ON TABLE public.whatsapp_sessions TO perene_ops;
GRANT UPDATE(window_seconds) ON TABLE public.whatsapp_sessions TO perene_api;

GRANT UPDATE(config) ON TABLE public.whatsapp_sessions TO perene_api;

ALTER DEFAULT PRIVILEGES FOR ROLE perene_owner IN SCHEMA perene GRANT SELECT ON SEQUENCES TO perene_backup;

ALTER DEFAULT PRIVILEGES FOR ROLE perene_owner IN SCHEMA perene GRANT SELECT ON TABLES TO perene_backup;

ALTER DEFAULT PRIVILEGES FOR ROLE perene_owner IN SCHEMA public GRANT SELECT ON SEQUENCES TO perene_backup;

ALTER DEFAULT PRIVILEGES FOR ROLE perene_owner IN SCHEMA public GRANT SELECT ON TABLES TO perene_backup;
