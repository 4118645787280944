-- The roles of Perene and what belongs to the database rather than to its tables. Idempotent; run by an administrator:
-- a superuser, or (as on Supabase) somebody with CREATEROLE who owns the database.
--
-- Passwords are parameters: before running this, set `perene.password_<role>` for the session, for instance
--     SELECT set_config('perene.password_perene_api', '…', false);
-- A role without the parameter keeps the password it has.

DO $$
DECLARE
    role_name text;
    password text;
    admin_is_superuser boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'perene_owner', 'perene_api', 'perene_worker', 'perene_device', 'perene_relay', 'perene_backup', 'perene_ops'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT NOCREATEDB NOCREATEROLE', role_name);
        END IF;
        password := nullif(current_setting('perene.password_' || role_name, true), '');
        IF password IS NOT NULL THEN
            EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role_name, password);
        END IF;
        -- A superuser may act for every role; another administrator has to be a member to make schemas in its name.
        IF NOT admin_is_superuser THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;

    -- The one role that reads past row-level security, for dumps. Where the administrator may not give that away, the
    -- policies named `backup_reads` let it read everything all the same (pg_dump --enable-row-security).
    BEGIN
        ALTER ROLE perene_backup BYPASSRLS;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'perene_backup has no BYPASSRLS: dump with --enable-row-security';
    END;

    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO perene_owner, perene_api, perene_worker, perene_device, perene_relay,'
        ' perene_backup, perene_ops',
        current_database()
    );
    EXECUTE format('GRANT CREATE ON DATABASE %I TO perene_owner', current_database());
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO perene_owner;
GRANT USAGE ON SCHEMA public TO perene_api, perene_worker, perene_relay, perene_backup, perene_ops;

-- Nothing of ours takes longer than seconds. A client that is frozen in the middle of a transaction must not keep its
-- row locks from the others.
ALTER ROLE perene_api SET statement_timeout = '10s';
ALTER ROLE perene_api SET lock_timeout = '5s';
ALTER ROLE perene_api SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE perene_worker SET statement_timeout = '20s';
ALTER ROLE perene_worker SET lock_timeout = '5s';
ALTER ROLE perene_worker SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE perene_relay SET statement_timeout = '20s';
ALTER ROLE perene_relay SET lock_timeout = '5s';
ALTER ROLE perene_relay SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE perene_ops SET statement_timeout = '60s';
ALTER ROLE perene_ops SET default_transaction_read_only = on;
ALTER ROLE perene_backup SET default_transaction_read_only = on;

-- The WhatsApp library's keys live in a schema of their own. Each of its clients keeps an idle connection for ever;
-- the server ends it, and the library makes another when it needs one. The limit leaves room for the other roles.
CREATE SCHEMA IF NOT EXISTS whatsmeow AUTHORIZATION perene_device;
ALTER ROLE perene_device SET search_path = whatsmeow;
ALTER ROLE perene_device SET idle_session_timeout = '2s';
ALTER ROLE perene_device CONNECTION LIMIT 120;

-- The library makes and alters its tables by itself, whenever it is updated, so these rights are given in advance.
GRANT USAGE ON SCHEMA whatsmeow TO perene_worker, perene_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE perene_device IN SCHEMA whatsmeow GRANT SELECT, DELETE ON TABLES TO perene_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE perene_device IN SCHEMA whatsmeow GRANT SELECT ON TABLES TO perene_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE perene_device IN SCHEMA whatsmeow GRANT SELECT ON SEQUENCES TO perene_backup;
