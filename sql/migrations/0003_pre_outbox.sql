-- migrate:up

CREATE TABLE public.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text,
    event text NOT NULL,
    payload jsonb NOT NULL,
    event_id bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE public.outbox IS
    'Client events, written in the transaction that makes them true. event_id is given after the commit.';
CREATE UNIQUE INDEX outbox_event_id ON public.outbox (event_id);
CREATE INDEX outbox_pending ON public.outbox (id) WHERE event_id IS NULL;
CREATE INDEX outbox_of_owner ON public.outbox (owner_id, event_id);
CREATE INDEX outbox_codes ON public.outbox (connection_id) WHERE event = 'qrCode';
CREATE INDEX outbox_age ON public.outbox (created_at);

CREATE TABLE public.outbox_position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_event_id bigint NOT NULL DEFAULT 0,
    pruned_through bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE public.outbox_position IS
    'last_event_id: the newest number given. pruned_through: events up to this one may be gone.';
INSERT INTO public.outbox_position DEFAULT VALUES;

CREATE FUNCTION perene.tell_outbox() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    -- The server sends equal notifications of one transaction once.
    PERFORM pg_notify('perene_outbox', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER tell AFTER INSERT ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION perene.tell_outbox();

CREATE FUNCTION perene.outbox_sequence() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog
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
COMMENT ON FUNCTION perene.outbox_sequence() IS
    'Numbers what was committed since (at most 10000 rows a call); the newest number given. A transaction that commits '
    'late gets its numbers late, so a reader who has seen event n will never miss one that is at most n.';
REVOKE EXECUTE ON FUNCTION perene.outbox_sequence() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION perene.outbox_sequence() TO perene_relay;

ALTER TABLE public.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.outbox
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY relay_reads ON public.outbox FOR SELECT TO perene_relay USING (true);
CREATE POLICY relay_numbers ON public.outbox FOR UPDATE TO perene_relay
    USING (event_id IS NULL) WITH CHECK (event_id IS NOT NULL);
CREATE POLICY relay_prunes ON public.outbox FOR DELETE TO perene_relay USING (event_id IS NOT NULL);
CREATE POLICY ops_reads ON public.outbox FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.outbox FOR SELECT TO perene_backup USING (true);

GRANT SELECT, INSERT ON public.outbox TO perene_api;
-- The worker removes the codes that were replaced or used: a code is a secret, and an old one of no use.
GRANT SELECT, INSERT, DELETE ON public.outbox TO perene_worker;
GRANT SELECT, DELETE ON public.outbox TO perene_relay;
GRANT UPDATE (event_id) ON public.outbox TO perene_relay;
GRANT SELECT (id, owner_id, connection_id, chat_id, event, event_id, created_at) ON public.outbox TO perene_ops;
GRANT SELECT ON public.outbox_position TO perene_api, perene_relay, perene_ops;
GRANT UPDATE (last_event_id, pruned_through) ON public.outbox_position TO perene_relay;

-- migrate:down

DROP FUNCTION perene.outbox_sequence();
DROP TABLE public.outbox;
DROP FUNCTION perene.tell_outbox();
DROP TABLE public.outbox_position;
