-- What the service account needs beside when the store is a cluster. {role} is that of the store.

GRANT CLUSTER ON *.* TO {role};
GRANT READ ON REMOTE TO {role};
GRANT SYSTEM SYNC REPLICA ON tamga_vault.* TO {role};
GRANT TABLE ENGINE ON ReplicatedMergeTree TO {role};
GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree TO {role};
GRANT TABLE ENGINE ON Distributed TO {role};
