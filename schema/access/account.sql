-- The service account, if an administrator applies these files (`tamga migrate --access --admin-user …`). {role} is
-- tamga_vault_service or tamga_stats_service. {password_sha256} is the hash of the password in the store's password file.

CREATE USER IF NOT EXISTS {user} IDENTIFIED WITH sha256_hash BY '{password_sha256}';
GRANT {role} TO {user};
