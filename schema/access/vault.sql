-- Who may do what on the server that holds the vault: one service account, no person, and the wall.
-- `tamga migrate --access` applies it; {user} is the service account.

CREATE ROLE IF NOT EXISTS tamga_vault_service;
GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE ON tamga_vault.* TO tamga_vault_service;
GRANT TABLE ENGINE ON MergeTree TO tamga_vault_service;
GRANT TABLE ENGINE ON ReplacingMergeTree TO tamga_vault_service;
GRANT SELECT ON system.databases TO tamga_vault_service;
GRANT SELECT ON system.tables TO tamga_vault_service;
GRANT SELECT ON system.columns TO tamga_vault_service;
GRANT SELECT ON system.parts TO tamga_vault_service;
GRANT SELECT ON system.processes TO tamga_vault_service;

-- What `tamga verify` looks at: names and rights of everybody, rows of nobody.
GRANT SHOW, SHOW ACCESS ON *.* TO tamga_vault_service;
GRANT SHOW NAMED COLLECTIONS ON * TO tamga_vault_service;
GRANT SELECT ON system.grants TO tamga_vault_service;
GRANT SELECT ON system.role_grants TO tamga_vault_service;
GRANT SELECT ON system.users TO tamga_vault_service;
GRANT SELECT ON system.row_policies TO tamga_vault_service;
GRANT SELECT ON system.dictionaries TO tamga_vault_service;
GRANT SELECT ON system.named_collections TO tamga_vault_service;
GRANT SELECT ON system.query_log TO tamga_vault_service;

-- What is asked is logged, whatever a session says.
CREATE SETTINGS PROFILE OR REPLACE tamga_vault_service
    SETTINGS log_queries = 1 CONST, log_queries_probability = 1 CONST, async_insert = 0 CONST
    TO tamga_vault_service;

-- Rows are read by those whom a policy lets, which is the service alone; a grant by mistake shows nothing.
CREATE ROW POLICY OR REPLACE tamga_service ON tamga_vault.* FOR SELECT USING 1 TO {user};

-- The wall. Whoever may read identified data bears this role or one that has it; `tamga wall` names further ones.
CREATE ROLE IF NOT EXISTS tamga_identified;
CREATE ROW POLICY IF NOT EXISTS tamga_wall ON tamga_vault.* FOR SELECT
    USING NOT throwIf(hasAny(enabledRoles(), ['tamga_identified']),
                      'Telemetry is never joined with data that identify people: this session has a role of an identified zone.')
    AS RESTRICTIVE TO ALL;
