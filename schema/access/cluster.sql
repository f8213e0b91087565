-- More grants of the service account, if the store is a cluster. {role} is the role of the store.

GRANT CLUSTER ON *.* TO {role};
GRANT READ ON REMOTE TO {role};
GRANT SYSTEM SYNC REPLICA ON tamga_vault.* TO {role};
GRANT TABLE ENGINE ON ReplicatedMergeTree TO {role};
GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree TO {role};
GRANT TABLE ENGINE ON Distributed TO {role};
