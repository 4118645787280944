-- migrate:up

-- Functions have a schema of their own: what stands in `public` is callable over HTTP on some hosts.
CREATE SCHEMA perene;
GRANT USAGE ON SCHEMA perene TO PUBLIC;
-- (Given away by a default for the whole database, so it cannot be taken back for one schema alone.)
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Dumps read everything, also what later migrations make.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA perene GRANT SELECT ON TABLES TO perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA perene GRANT SELECT ON SEQUENCES TO perene_backup;
GRANT SELECT ON public.perene_migrations TO perene_backup, perene_ops;

CREATE FUNCTION perene.owner_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT coalesce(
        nullif(current_setting('perene.owner_id', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;
COMMENT ON FUNCTION perene.owner_id() IS
    'Whose rows this transaction may touch: its own setting, else the subject of PostgREST''s token. NULL (nobody''s) '
    'where neither is set; an error where it is no UUID.';
GRANT EXECUTE ON FUNCTION perene.owner_id() TO PUBLIC;

CREATE FUNCTION perene.touch() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION perene.touch() IS 'Keeps updated_at.';

CREATE FUNCTION perene.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION perene.refuse_change() IS 'Makes a table append-only, for its owner too.';

-- migrate:down

DROP FUNCTION perene.refuse_change();
DROP FUNCTION perene.touch();
DROP FUNCTION perene.owner_id();
ALTER DEFAULT PRIVILEGES IN SCHEMA perene REVOKE SELECT ON TABLES FROM perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA perene REVOKE SELECT ON SEQUENCES FROM perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM perene_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON SEQUENCES FROM perene_backup;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
REVOKE SELECT ON public.perene_migrations FROM perene_backup, perene_ops;
DROP SCHEMA perene;
