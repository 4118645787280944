-- migrate:up

-- The columns up to duplicate_reason are the protected structure; it may exist already, made by the server that Perene
-- replaces. Everything else is added to it.
CREATE TABLE IF NOT EXISTS public.whatsapp_sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id UUID NOT NULL,
    session_name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'disconnected',
    connection_id VARCHAR(255) UNIQUE NOT NULL,
    qr_code TEXT,
    phone_number VARCHAR(20),
    whatsapp_id VARCHAR(255),
    whatsapp_info JSONB,
    connected_at TIMESTAMP WITH TIME ZONE,
    disconnected_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    duplicate_reason VARCHAR(100)
);

ALTER TABLE public.whatsapp_sessions
    ADD COLUMN IF NOT EXISTS state text NOT NULL DEFAULT 'stopped',
    ADD COLUMN IF NOT EXISTS state_reason text,
    ADD COLUMN IF NOT EXISTS state_detail jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS state_changed_at timestamptz,
    ADD COLUMN IF NOT EXISTS sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS jid text,
    ADD COLUMN IF NOT EXISTS lid text,
    ADD COLUMN IF NOT EXISTS push_name text,
    ADD COLUMN IF NOT EXISTS platform text,
    ADD COLUMN IF NOT EXISTS has_connected boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS superseded_by text,
    ADD COLUMN IF NOT EXISTS host_id text,
    ADD COLUMN IF NOT EXISTS lease_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS claimed_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_seen_at timestamptz,
    ADD COLUMN IF NOT EXISTS qr_expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS proxy text,
    ADD COLUMN IF NOT EXISTS window_seconds double precision NOT NULL DEFAULT 600,
    ADD COLUMN IF NOT EXISTS config jsonb NOT NULL DEFAULT '{}';

ALTER TABLE public.whatsapp_sessions
    ADD CONSTRAINT whatsapp_sessions_state_known CHECK (state IN (
        'starting', 'awaiting_scan', 'pairing', 'connected', 'reconnecting', 'qr_expired', 'logged_out', 'banned',
        'client_outdated', 'duplicate', 'stopped', 'deleted'
    ));

CREATE INDEX whatsapp_sessions_owner_newest ON public.whatsapp_sessions (owner_id, created_at DESC, id DESC);
CREATE INDEX whatsapp_sessions_host ON public.whatsapp_sessions (host_id) WHERE host_id IS NOT NULL;
CREATE UNIQUE INDEX whatsapp_sessions_one_live_per_phone ON public.whatsapp_sessions (owner_id, phone_number)
    WHERE state IN ('pairing', 'connected', 'reconnecting');

CREATE TRIGGER touch BEFORE UPDATE ON public.whatsapp_sessions FOR EACH ROW EXECUTE FUNCTION perene.touch();

-- One sequence for all sessions: an epoch is never given twice, not even to a connection that is removed and made again.
CREATE SEQUENCE public.lease_epochs AS bigint;

CREATE TABLE public.session_hosts (
    host_id text PRIMARY KEY,
    process_name text NOT NULL,
    capacity integer NOT NULL,
    build text NOT NULL,
    held integer NOT NULL DEFAULT 0,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    retired_at timestamptz
);
COMMENT ON TABLE public.session_hosts IS 'Worker processes that may hold sockets, each with the lease it renews.';

CREATE TABLE public.session_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text NOT NULL,
    owner_id uuid NOT NULL,
    sequence bigint NOT NULL,
    event text NOT NULL,
    from_state text,
    to_state text,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL
);
COMMENT ON TABLE public.session_events IS 'What happened to each connection. Append-only; outlives the connection.';
CREATE INDEX session_events_of_connection ON public.session_events (owner_id, connection_id, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON public.session_events
    FOR EACH ROW EXECUTE FUNCTION perene.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.session_events
    FOR EACH STATEMENT EXECUTE FUNCTION perene.refuse_change();

CREATE TABLE public.session_pairings (
    connection_id text NOT NULL,
    owner_id uuid NOT NULL,
    epoch bigint NOT NULL,
    adv_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (connection_id, adv_key)
);
COMMENT ON TABLE public.session_pairings IS
    'The secrets of the codes that were shown and not yet used: the device that was paired with one has the same '
    'adv_key in whatsmeow_device.';

-- Row-level security ---------------------------------------------------------------------------------------------

ALTER TABLE public.whatsapp_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.whatsapp_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.whatsapp_sessions
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
-- To start what is not running, the worker has to know of every owner's sessions; it says so for the transaction.
CREATE POLICY worker_reconciles ON public.whatsapp_sessions FOR SELECT TO perene_worker
    USING (current_setting('perene.scope', true) = 'reconcile');
-- perene.retire_host gives up the sessions of one host, whoever owns them, and can do nothing else to them.
-- (A row that was updated must pass the SELECT policy once more, now without its host.)
CREATE POLICY retire_reads ON public.whatsapp_sessions FOR SELECT TO perene_owner
    USING (nullif(current_setting('perene.retiring_host', true), '') IS NOT NULL);
CREATE POLICY retire_releases ON public.whatsapp_sessions FOR UPDATE TO perene_owner
    USING (host_id = nullif(current_setting('perene.retiring_host', true), '')) WITH CHECK (host_id IS NULL);
CREATE POLICY ops_reads ON public.whatsapp_sessions FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.whatsapp_sessions FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.session_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.session_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.session_events
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.session_events FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.session_events FOR SELECT TO perene_backup USING (true);

ALTER TABLE public.session_pairings ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.session_pairings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.session_pairings
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.session_pairings FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.session_pairings FOR SELECT TO perene_backup USING (true);

CREATE FUNCTION perene.retire_host(retiring text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
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
COMMENT ON FUNCTION perene.retire_host(text) IS
    'Ends a host''s lease and gives up every session it holds, of every owner; how many.';
REVOKE EXECUTE ON FUNCTION perene.retire_host(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION perene.retire_host(text) TO perene_worker;

-- Grants ---------------------------------------------------------------------------------------------------------
-- Nobody but the schema's owner may change who owns a row, so owner_id, connection_id and id are never updatable.

GRANT SELECT, INSERT, DELETE ON public.whatsapp_sessions TO perene_api;
GRANT UPDATE (session_name, proxy, window_seconds, config) ON public.whatsapp_sessions TO perene_api;
GRANT SELECT, DELETE ON public.whatsapp_sessions TO perene_worker;
GRANT UPDATE (
    status, qr_code, phone_number, whatsapp_id, whatsapp_info, connected_at, disconnected_at, updated_at,
    duplicate_reason, state, state_reason, state_detail, state_changed_at, sequence, jid, lid, push_name, platform,
    has_connected, superseded_by, host_id, lease_epoch, claimed_at, last_seen_at, qr_expires_at
) ON public.whatsapp_sessions TO perene_worker;
GRANT SELECT (
    id, owner_id, session_name, status, connection_id, phone_number, whatsapp_id, whatsapp_info, connected_at,
    disconnected_at, created_at, updated_at, duplicate_reason, state, state_reason, state_detail, state_changed_at,
    sequence, jid, lid, push_name, platform, has_connected, superseded_by, host_id, lease_epoch, claimed_at,
    last_seen_at, qr_expires_at, window_seconds
) ON public.whatsapp_sessions TO perene_ops;
GRANT SELECT ON public.whatsapp_sessions TO perene_backup;

GRANT USAGE ON SEQUENCE public.lease_epochs TO perene_worker;

GRANT SELECT ON public.session_hosts TO perene_api, perene_ops;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.session_hosts TO perene_worker;

GRANT SELECT, INSERT ON public.session_events TO perene_api, perene_worker;
GRANT SELECT ON public.session_events TO perene_ops;

GRANT SELECT, INSERT, DELETE ON public.session_pairings TO perene_worker;
GRANT SELECT (connection_id, owner_id, epoch, created_at) ON public.session_pairings TO perene_ops;

-- migrate:down

-- The protected table goes only where it holds nothing.
-- (Its owner is bound by its policies too, and would find it empty.)
ALTER TABLE public.whatsapp_sessions NO FORCE ROW LEVEL SECURITY;
DO $$
BEGIN
    IF EXISTS (SELECT FROM public.whatsapp_sessions) THEN
        RAISE EXCEPTION 'whatsapp_sessions holds rows: it is protected and is not dropped';
    END IF;
END
$$;
DROP FUNCTION perene.retire_host(text);
DROP TABLE public.session_pairings;
DROP TABLE public.session_events;
DROP TABLE public.session_hosts;
DROP TABLE public.whatsapp_sessions;
DROP SEQUENCE public.lease_epochs;
