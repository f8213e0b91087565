//! Who may connect.
//!
//! Two accounts at most: the service, whose password is read from a file at the start, and the analyst, who may do without
//! one (only this machine can connect, and what the analyst can read is fit to publish). Comparing takes the same time whether the
//! first or the last byte differs, and an unknown user costs what a wrong password costs. The engine itself knows no users
//! (`--user` is ignored, there is no storage for accounts): everything about identity happens here, before a query is read.

use crate::failure::Failure;

/// What a request brought to prove who it comes from. Never printed.
#[derive(Default, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The collector and its verbs: every statement.
    Service,
    /// People: what [`crate::analyst`] allows.
    Analyst,
}

/// The name of the analyst's account.
const ANALYST: &str = "analyst";

struct Account {
    user: blake3::Hash,
    /// `None`: any password is right, none too.
    password: Option<blake3::Hash>,
    role: Role,
}

/// The accounts of this engine.
pub(crate) struct Authenticator {
    accounts: Vec<Account>,
}

impl Authenticator {
    /// A authenticator that admits one service account.
    pub(crate) fn service(user: &str, password: &str) -> Self {
        let account = Account { user: hash(user), password: Some(hash(password)), role: Role::Service };
        Self { accounts: vec![account] }
    }

    /// Admits the analyst too. The service's name keeps belonging to the service.
    pub(crate) fn admit_analyst(&mut self, password: Option<&str>) {
        let account = Account { user: hash(ANALYST), password: password.map(hash), role: Role::Analyst };
        self.accounts.insert(0, account);
    }

    /// Whether a request may come under this `Host`. Where no password is asked for, only names of this machine will do: a web
    /// page elsewhere whose name is made to point here (DNS rebinding) could read the answers otherwise.
    pub(crate) fn admits_host(&self, role: Role, host: Option<&str>) -> Result<(), Failure> {
        let open = self.accounts.iter().any(|account| account.role == role && account.password.is_none());
        let name = host.map(|host| match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        });
        if open && !matches!(name, None | Some("localhost" | "127.0.0.1" | "[::1]")) {
            return Err(Failure::new(
                516,
                "AUTHENTICATION_FAILED",
                "Authentication failed: without a password, ask as 127.0.0.1, [::1] or localhost.",
            ));
        }
        Ok(())
    }

    /// The role of whoever bears these credentials.
    pub(crate) fn admit(&self, credentials: &Credentials) -> Result<Role, Failure> {
        let open =
            |user: &str| self.accounts.iter().any(|account| account.password.is_none() && account.user == hash(user));
        let (user, password) = match (&credentials.user, &credentials.password) {
            (Some(user), Some(password)) => (user.as_str(), password.as_str()),
            (Some(user), None) if open(user) => (user.as_str(), ""),
            _ => {
                return Err(Failure::new(
                    194,
                    "REQUIRED_PASSWORD",
                    "Authentication failed: this engine needs a user and a password, as HTTP Basic, as X-ClickHouse-User and \
                 X-ClickHouse-Key, or as user and password in the URL.",
                ));
            }
        };
        // `blake3::Hash` compares in constant time; both comparisons are always made.
        let (user, password) = (hash(user), hash(password));
        let found = self.accounts.iter().fold(None, |found, account| {
            let fits = (account.user == user) & account.password.is_none_or(|right| right == password);
            if fits { Some(account.role) } else { found }
        });
        found.ok_or_else(|| {
            Failure::new(
                516,
                "AUTHENTICATION_FAILED",
                "Authentication failed: password is incorrect, or there is no user with such name.",
            )
        })
    }
}

fn hash(text: &str) -> blake3::Hash {
    blake3::hash(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: Some(user.to_owned()), password: Some(password.to_owned()) }
    }

    #[test]
    fn only_the_right_pair_is_admitted() {
        let authenticator = Authenticator::service("tamga", "correct");
        assert_eq!(authenticator.admit(&credentials("tamga", "correct")).unwrap(), Role::Service);
        for (user, password) in
            [("tamga", "wrong"), ("other", "correct"), ("", ""), ("correct", "tamga"), ("tamga", "")]
        {
            assert_eq!(authenticator.admit(&credentials(user, password)).unwrap_err().code, 516);
        }
    }

    #[test]
    fn half_a_pair_is_asked_for_the_other_half() {
        let authenticator = Authenticator::service("tamga", "correct");
        let only_user = Credentials { user: Some("tamga".to_owned()), password: None };
        assert_eq!(authenticator.admit(&only_user).unwrap_err().code, 194);
        assert_eq!(authenticator.admit(&Credentials::default()).unwrap_err().code, 194);
    }

    #[test]
    fn an_analyst_is_an_analyst_with_and_without_a_password() {
        let mut open = Authenticator::service("tamga", "correct");
        open.admit_analyst(None);
        assert_eq!(open.admit(&credentials("analyst", "anything")).unwrap(), Role::Analyst);
        let nameless = Credentials { user: Some("analyst".to_owned()), password: None };
        assert_eq!(open.admit(&nameless).unwrap(), Role::Analyst);
        assert_eq!(open.admit(&credentials("tamga", "correct")).unwrap(), Role::Service);
        assert_eq!(open.admit(&credentials("tamga", "anything")).unwrap_err().code, 516);
        assert_eq!(open.admit(&Credentials::default()).unwrap_err().code, 194);

        for (host, admitted) in [
            ("127.0.0.1:8124", true),
            ("localhost", true),
            ("[::1]:8124", true),
            ("[::1]", true),
            ("evil.test:8124", false),
        ] {
            assert_eq!(open.admits_host(Role::Analyst, Some(host)).is_ok(), admitted, "{host}");
            assert!(open.admits_host(Role::Service, Some(host)).is_ok());
        }
        assert!(open.admits_host(Role::Analyst, None).is_ok());

        let mut closed = Authenticator::service("tamga", "correct");
        closed.admit_analyst(Some("secret"));
        assert!(closed.admits_host(Role::Analyst, Some("stats.test")).is_ok());
        assert_eq!(closed.admit(&credentials("analyst", "secret")).unwrap(), Role::Analyst);
        assert_eq!(closed.admit(&credentials("analyst", "correct")).unwrap_err().code, 516);
        assert_eq!(closed.admit(&nameless).unwrap_err().code, 194);
        assert_eq!(Authenticator::service("tamga", "x").admit(&credentials("analyst", "")).unwrap_err().code, 516);
    }
}
