//! Where a listener is: an address with a port, or the file of a unix socket (`unix:/run/tamga-edge/edge.sock`).

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// What the text of a unix socket begins with.
const UNIX: &str = "unix:";

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An address with a port.
    Tcp(SocketAddr),
    /// A unix socket in this file.
    Unix(PathBuf),
}

impl Listen {
    /// The address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let wrong = |_| {
                format!(
                    "{text:?} is neither an IP address with a port (127.0.0.1:8080) nor the file of a unix socket \
                     (unix:/run/tamga-edge/edge.sock)"
                )
            };
            return text.parse().map(Self::Tcp).map_err(wrong);
        };
        // The kernel takes 107 bytes.
        if path.is_empty() || UnixAddr::from_pathname(path).is_err() {
            return Err(format!("{path:?} is no name of a unix socket: name a file, with 107 bytes at most"));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl From<([u8; 4], u16)> for Listen {
    fn from(address: ([u8; 4], u16)) -> Self {
        Self::Tcp(address.into())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => write!(out, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_with_a_port_or_a_file_that_the_kernel_can_name() {
        for text in ["127.0.0.1:8080", "[::1]:80", "unix:/run/tamga-edge/edge.sock", "unix:edge.sock"] {
            let listen = Listen::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(listen.to_string(), text);
            assert_eq!(listen.tcp().is_none(), text.starts_with(UNIX));
        }
        let long = format!("unix:/{}", "a".repeat(107));
        for text in ["", "127.0.0.1", "/run/tamga/edge.sock", "unix:", "unix:a\0b", &long] {
            assert!(Listen::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
