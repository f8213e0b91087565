-- Roles and grants on the server of the stats store: the service account writes the published numbers, analysts read them.
-- `tamga migrate --access` applies it; {user} is the service account.
--
-- You create each analyst's account with one statement. It needs only a role:
--     CREATE USER aigerim IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE tamga_analyst;               -- all sites
--     CREATE USER daniyar IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE "tamga_analyst:jetpay.kz";   -- one of them

CREATE ROLE IF NOT EXISTS tamga_stats_service;
GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE ON tamga_stats.* TO tamga_stats_service;
GRANT TABLE ENGINE ON MergeTree TO tamga_stats_service;
GRANT SELECT ON system.databases TO tamga_stats_service;
GRANT SELECT ON system.tables TO tamga_stats_service;
GRANT SELECT ON system.columns TO tamga_stats_service;
GRANT SELECT ON system.parts TO tamga_stats_service;

-- What `tamga verify` reads: names and grants of all accounts, but no rows.
GRANT SHOW, SHOW ACCESS ON *.* TO tamga_stats_service;
GRANT SHOW NAMED COLLECTIONS ON * TO tamga_stats_service;
GRANT SELECT ON system.grants TO tamga_stats_service;
GRANT SELECT ON system.role_grants TO tamga_stats_service;
GRANT SELECT ON system.users TO tamga_stats_service;
GRANT SELECT ON system.row_policies TO tamga_stats_service;
GRANT SELECT ON system.dictionaries TO tamga_stats_service;
GRANT SELECT ON system.named_collections TO tamga_stats_service;
GRANT SELECT ON system.query_log TO tamga_stats_service;
CREATE SETTINGS PROFILE OR REPLACE tamga_stats_service
    SETTINGS log_queries = 1 CONST, log_queries_probability = 1 CONST, async_insert = 0 CONST
    TO tamga_stats_service;

-- Grants of every reader: the numbers, the metadata that clients look up, and limits that no session can raise. Dashboards
-- usually lower the time limit, so that is allowed. The form of a request has space for parameters, but not for a table to join.
CREATE ROLE IF NOT EXISTS tamga_reader;
GRANT SHOW, SELECT ON tamga_stats.* TO tamga_reader;
GRANT SELECT(name, engine) ON system.databases TO tamga_reader;
GRANT SELECT(database, name, engine, comment) ON system.tables TO tamga_reader;
GRANT SELECT(database, table, name, type, position, default_kind, default_expression, comment) ON system.columns TO tamga_reader;
GRANT SELECT ON system.one TO tamga_reader;
CREATE SETTINGS PROFILE OR REPLACE tamga_reader
    SETTINGS readonly = 1 CONST,
             allow_ddl = 0 CONST,
             allow_introspection_functions = 0 CONST,
             log_queries = 1 CONST,
             log_queries_probability = 1 CONST,
             max_execution_time = 30 MIN 1 MAX 30 CHANGEABLE_IN_READONLY,
             timeout_before_checking_execution_speed = 0 CONST,
             max_concurrent_queries_for_user = 4 CONST,
             max_threads = 2 CONST,
             max_memory_usage = 2000000000 CONST,
             max_rows_to_read = 2000000000 CONST,
             max_bytes_to_read = 68719476736 CONST,
             max_result_rows = 1000000 CONST,
             max_result_bytes = 268435456 CONST,
             max_query_size = 65536 CONST,
             max_ast_elements = 20000 CONST,
             http_max_multipart_form_data_size = 65536 CONST,
             format_display_secrets_in_show_and_select = 0 CONST
    TO tamga_reader;
CREATE QUOTA OR REPLACE tamga_reader KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 7200
    TO tamga_reader;

CREATE ROLE IF NOT EXISTS tamga_analyst;
GRANT tamga_reader TO tamga_analyst;

-- Row policies: the service account and analysts read all rows; analysts of one site (site.sql) read the rows of that site.
CREATE ROW POLICY OR REPLACE tamga_all ON tamga_stats.* FOR SELECT USING 1 TO {user}, tamga_analyst;
