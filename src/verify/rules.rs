//! The rules as a table: a name, a sentence, the clause of a published policy that requires the rule, and the remedy.

use serde::Serialize;

/// One rule.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// A short stable name.
    pub name: &'static str,
    /// The rule in one sentence.
    pub says: &'static str,
    /// The clause that requires it.
    pub clause: &'static str,
    /// The remedy for a breach.
    pub remedy: &'static str,
}

const NOT_MATCHED: &str = "JetPay §2, last paragraph: statistical data are not matched with identifying data";
const NOT_MERGED: &str = "PRO IT §5.1: databases of incompatible purposes are not merged";
const SEPARATE: &str = "PRO IT §8.14: categories of data are stored apart";
const NEEDED_ONLY: &str = "Nomapay §3.2, PRO IT §8.5: access for those alone who need it";
const LOGGED: &str = "PRO IT §8.14, JetPay §5: access is recorded, and what is not allowed is noticed";
const LISTED_ONLY: &str = "JetPay §2 and §3, PRO IT §5.1: only what is listed, and no more";
const NO_LONGER: &str = "PRO IT §5.1, Nomapay §3.1: no longer than the purpose needs";
const NO_NAMES: &str = "JetPay §2: the data are statistical; PRO IT §2.1: attribution is not possible";

const fn rule(name: &'static str, says: &'static str, clause: &'static str, remedy: &'static str) -> Rule {
    Rule { name, says, clause, remedy }
}

/// All rules, in the order of the report.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // Who may read what.
    rule("access-both", "No account or role can read telemetry and an identified zone", NOT_MATCHED,
        "Revoke one of the two: give the person two accounts for two purposes, or take the role away."),
    rule("access-vault", "Only service accounts reach the vault", NEEDED_ONLY,
        "Revoke the grant. For an emergency there is `tamga vault query`, which is recorded in the audit log."),
    rule("access-write", "Only service accounts change the stores", NEEDED_ONLY,
        "Revoke all but SELECT on tamga_stats."),
    rule("access-sources", "No account that reads telemetry reads or writes files, URLs or other systems from SQL", NOT_MERGED,
        "Revoke the grants on sources (FILE, URL, REMOTE, S3, MYSQL …) and CREATE TEMPORARY TABLE."),
    rule("access-open", "Every account that reads telemetry authenticates", NEEDED_ONLY,
        "Give the account a password or a certificate: ALTER USER … IDENTIFIED WITH …."),
    rule("policy-present", "Every vault table refuses queries of sessions with an identified role", NOT_MATCHED,
        "Run `tamga wall init` with the identified roles, and apply what it prints."),
    rule("policy-effective", "The wall stops the query of the probe", NOT_MATCHED,
        "The probe's account could read the vault: look at its grants, and apply `tamga wall init`."),
    // What stands beside the rows.
    rule("apart-databases", "Beside the stores there are only databases that the configuration names", SEPARATE,
        "Move the database to another server, or name it in [wall] identified_databases or other_databases."),
    rule("apart-stores", "Vault and stats store are only where the configuration says", SEPARATE,
        "Drop the database that is not in its place."),
    rule("foreign-engines", "No table of the stores lives in another system", NOT_MERGED,
        "Drop the table; the product makes no such table."),
    rule("dictionaries", "No dictionary is beside telemetry", NOT_MERGED,
        "Drop the dictionary, or move it to the server of the zone that it serves."),
    rule("named-collections", "No credentials of other systems are stored beside telemetry", NOT_MERGED,
        "DROP NAMED COLLECTION …."),
    rule("views", "No view copies telemetry to another place", NOT_MERGED,
        "Drop the view. Telemetry leaves the vault through the publisher alone."),
    rule("copies", "No table elsewhere has telemetry's columns", NOT_MATCHED,
        "Drop the copy, and find out who made it: the query log and the audit log have the time."),
    // What is stored.
    rule("tables-listed", "Every table of the stores belongs to the product", LISTED_ONLY,
        "Drop the table, or run the version of Tamga that made it."),
    rule("columns-listed", "Every column is in the data map", LISTED_ONLY,
        "Drop the column; collecting something begins in schema/data-map.toml."),
    rule("columns-named", "No column is named like an identifier", NO_NAMES,
        "Drop the column, and find out what writes to it."),
    rule("values", "No stored text looks like an identifier", NO_NAMES,
        "Name the path or term in the site's templates, so that it folds; drop the partition that holds it."),
    rule("ttl", "Every table has a TTL", NO_LONGER,
        "Run `tamga migrate`; if the table was altered by hand, ALTER TABLE … MODIFY TTL as in schema/structure.sql."),
    rule("overdue-vault", "Nothing in the vault is older than its deadline", NO_LONGER,
        "ALTER TABLE … DROP PARTITION; then see why the publisher does not run."),
    rule("overdue-stats", "Nothing in the stats store is older than three years", "AITU-Sauda §2.5: three years at most",
        "ALTER TABLE … DROP PARTITION, and MATERIALIZE TTL."),
    rule("overdue-sums", "The publisher keeps no sums or plans of which nothing will be published", NO_LONGER,
        "Delete the file; then see why the publisher does not run."),
    rule("rows-ahead", "No row of the stores is of a day that has not begun", NO_LONGER,
        "A wrong clock wrote it, and it would be kept for as long as the clock was ahead: `tamga clock repair`."),
    // What was asked.
    rule("log-kept", "The stores keep a log of queries", LOGGED,
        "Switch query_log on (deploy/clickhouse/config.xml), or name its table in [wall] query_log."),
    rule("log-joined", "No query read telemetry beside another database", NOT_MATCHED,
        "Ask the account's owner at once; revoke the grant that made it possible; write the incident down."),
    rule("log-external", "No query brought a table of its own to telemetry", NOT_MATCHED,
        "Ask the account's owner; set http_max_multipart_form_data_size = 1 and close the native port."),
    rule("log-functions", "No query used a table function or dictionary with telemetry", NOT_MERGED,
        "Ask the account's owner; revoke the source, dictGet or joinGet that was used."),
    rule("log-denied", "Nobody tried a query without a grant", LOGGED,
        "Ask the account's owner what they were looking for."),
    rule("log-lists", "No query brought a long list of values to telemetry", NOT_MATCHED,
        "Ask the account's owner where the list came from; lower max_query_size."),
    rule("log-people", "Only service accounts queried the vault", NEEDED_ONLY,
        "Ask the account's owner; revoke the grant; use `tamga vault query`."),
    // Keys, log, places.
    rule("keys-memory", "Day keys are in memory, and only their owner can read them", NO_NAMES,
        "Put [keys] dir on /run or /dev/shm, mode 0700."),
    rule("keys-apart", "Keys share no volume with spool, stores or audit log", SEPARATE,
        "Move [keys] dir and [cookie] key_file out of [data] dir, to another volume."),
    rule("keys-age", "No key outlives its day", NO_NAMES,
        "`tamga keys destroy`; then see why the collector does not run."),
    rule("keys-ahead", "No key is of a day that has not begun", NO_NAMES,
        "A wrong clock made it, and it would live until that day: `tamga clock repair`."),
    rule("audit", "The audit log is whole", LOGGED,
        "Keep the file as evidence; compare with heads kept elsewhere: `tamga audit verify --heads`."),
    rule("audit-heads", "The audit log's heads are on another volume than the log", LOGGED,
        "Set [audit] heads_file to a file on another volume, or keep what `tamga audit heads` prints elsewhere."),
    rule("files", "Nobody else on this machine reads spool, stores or audit log", NEEDED_ONLY,
        "chmod 700 on [data] dir."),
    rule("address", "The stores are at addresses that are allowed", "Nomapay §3.1, PRO IT §7.4: where data are stored",
        "Point [vault] and [stats] url back, or add the host to [wall] store_hosts after a decision."),
    rule("country", "The stores are in the declared country", "Nomapay §3.1, PRO IT §7.4, AITU-Sauda §2.5: stored in Kazakhstan",
        "Move the server, or correct the GeoIP files."),
    rule("tls", "Every hop that leaves this machine is encrypted", "Nomapay §3.2, AITU-Sauda §3.4: TLS 1.2 or later",
        "Use https in [vault] and [stats] url."),
    // What is published.
    rule("cells-once", "Nothing is published twice", NO_NAMES,
        "Delete the second; two versions of a number can be subtracted."),
    rule("cells-windows", "Windows of a site do not overlap", NO_NAMES,
        "Delete the shorter windows; two granularities can be subtracted."),
];
