"""`perene migrate`: bring the database to this version's schema, roles and grants."""

from __future__ import annotations

import asyncio

from entrypoints.settings import migrate_settings


def main() -> int:
    """Run the migrations with the settings of the environment; gives the exit code. Raises SettingsError."""
    from store.migrate import migrate

    settings = migrate_settings()
    asyncio.run(migrate(settings.admin_url, settings.role_passwords))
    return 0
