-- Roles, grants and the wall on the server of the vault: one service account and no person.
-- `tamga migrate --access` applies it; {user} is the service account.

CREATE ROLE IF NOT EXISTS tamga_vault_service;
GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE ON tamga_vault.* TO tamga_vault_service;
GRANT TABLE ENGINE ON Memory TO tamga_vault_service;
GRANT TABLE ENGINE ON MergeTree TO tamga_vault_service;
GRANT TABLE ENGINE ON ReplacingMergeTree TO tamga_vault_service;
GRANT SELECT ON system.databases TO tamga_vault_service;
GRANT SELECT ON system.tables TO tamga_vault_service;
GRANT SELECT ON system.columns TO tamga_vault_service;
GRANT SELECT ON system.parts TO tamga_vault_service;
GRANT SELECT ON system.processes TO tamga_vault_service;

-- What `tamga verify` reads: names and grants of all accounts, but no rows.
GRANT SHOW, SHOW ACCESS ON *.* TO tamga_vault_service;
GRANT SHOW NAMED COLLECTIONS ON * TO tamga_vault_service;
GRANT SELECT ON system.grants TO tamga_vault_service;
GRANT SELECT ON system.role_grants TO tamga_vault_service;
GRANT SELECT ON system.users TO tamga_vault_service;
GRANT SELECT ON system.row_policies TO tamga_vault_service;
GRANT SELECT ON system.dictionaries TO tamga_vault_service;
GRANT SELECT ON system.named_collections TO tamga_vault_service;
GRANT SELECT ON system.query_log TO tamga_vault_service;

-- All queries are logged. A session cannot switch that off.
CREATE SETTINGS PROFILE OR REPLACE tamga_vault_service
    SETTINGS log_queries = 1 CONST, log_queries_probability = 1 CONST, async_insert = 0 CONST
    TO tamga_vault_service;

-- Only the service account has a row policy that allows rows. So a grant that was made by mistake shows no rows.
CREATE ROW POLICY OR REPLACE tamga_service ON tamga_vault.* FOR SELECT USING 1 TO {user};

-- The wall. Accounts that may read identified data have this role, directly or through another; `tamga wall` adds more roles.
CREATE ROLE IF NOT EXISTS tamga_identified;
CREATE ROW POLICY IF NOT EXISTS tamga_wall ON tamga_vault.* FOR SELECT
    USING NOT throwIf(hasAny(enabledRoles(), ['tamga_identified']),
                      'Telemetry is never joined with data that identify people: this session has a role of an identified zone.')
    AS RESTRICTIVE TO ALL;
