//! Which versions of ClickHouse can be used. An older one is refused before anything of it is changed.

use super::client::{Scalar, Store};
use super::error::StoreError;

/// The first version that understands all statements of this program, and the first one in a cluster.
const OLDEST: (u32, u32) = (25, 4);
const OLDEST_IN_CLUSTER: (u32, u32) = (25, 7);

/// Asks a store for its version. An error says which one is needed.
pub async fn check_version(store: &Store) -> Result<(), StoreError> {
    let answer: Vec<Scalar<String>> = store.rows_outside("SELECT version() AS value", &[]).await?;
    let found = answer.first().map_or("", |row| row.value.as_str());
    let oldest = if store.is_clustered() { OLDEST_IN_CLUSTER } else { OLDEST };
    if parse(found).is_some_and(|version| version >= oldest) {
        return Ok(());
    }
    let found: String = found.chars().filter(|c| c.is_ascii_digit() || *c == '.').take(32).collect();
    let (year, number) = oldest;
    Err(StoreError::setup(format!(
        "{} is ClickHouse {found}, and {year}.{number} or later is needed: update the server",
        store.place()
    )))
}

/// Year and number of a version, such as `25.8.1.3`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::client::Limits;
    use super::super::migrations::VAULT;
    use super::*;

    /// A server that says that it is of this version.
    async fn server(version: &'static str) -> Store {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = format!("{{\"value\":\"{version}\"}}\n");
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Store::new(&url, "u", "p", VAULT, Limits::default()).unwrap()
    }

    #[tokio::test]
    async fn an_older_server_is_refused_and_the_error_says_which_is_needed() {
        for version in ["24.8.4.13", "25.3.1.1", "9.99", "", "new"] {
            let error = check_version(&server(version).await).await.unwrap_err().to_string();
            assert!(error.contains("25.4 or later is needed") && error.contains("the vault at"), "{version}: {error}");
        }
        for version in ["25.4.1.1", "25.10", "26.7.2.1"] {
            check_version(&server(version).await).await.unwrap();
        }
        let error = check_version(&server("25.6.9.1").await.in_cluster("c")).await.unwrap_err();
        assert!(error.to_string().contains("ClickHouse 25.6.9.1, and 25.7 or later"), "{error}");
    }
}
