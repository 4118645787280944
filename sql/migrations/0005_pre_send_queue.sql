-- migrate:up

CREATE TABLE public.send_queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id uuid NOT NULL,
    connection_id text NOT NULL,
    chat_id text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    client_message_id text,
    state text NOT NULL DEFAULT 'accepted' CHECK (state IN ('accepted', 'dispatched', 'sent', 'failed', 'unknown')),
    epoch bigint,
    message_id text,
    error_code text,
    error_detail text,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dispatched_at timestamptz,
    settled_at timestamptz,
    UNIQUE (owner_id, connection_id, client_message_id)
);
COMMENT ON TABLE public.send_queue IS
    'Sends that were accepted. `dispatched` is committed before the library is called, so no send is tried twice.';
CREATE INDEX send_queue_waiting ON public.send_queue (owner_id, connection_id, id) WHERE state = 'accepted';
CREATE INDEX send_queue_dispatched ON public.send_queue (owner_id, connection_id, id) WHERE state = 'dispatched';

CREATE FUNCTION perene.tell_sends() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
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
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON public.send_queue FOR EACH ROW EXECUTE FUNCTION perene.tell_sends();

ALTER TABLE public.send_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.send_queue FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.send_queue
    USING (owner_id = (SELECT perene.owner_id())) WITH CHECK (owner_id = (SELECT perene.owner_id()));
CREATE POLICY ops_reads ON public.send_queue FOR SELECT TO perene_ops USING (true);
CREATE POLICY backup_reads ON public.send_queue FOR SELECT TO perene_backup USING (true);

GRANT SELECT, INSERT ON public.send_queue TO perene_api;
GRANT SELECT ON public.send_queue TO perene_worker;
GRANT UPDATE (state, epoch, message_id, error_code, error_detail, dispatched_at, settled_at)
    ON public.send_queue TO perene_worker;
GRANT SELECT (
    id, owner_id, connection_id, chat_id, type, client_message_id, state, epoch, message_id, error_code, accepted_at,
    dispatched_at, settled_at
) ON public.send_queue TO perene_ops;

-- migrate:down

DROP TABLE public.send_queue;
DROP FUNCTION perene.tell_sends();
